import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { bytesOf } from "../http/http1/connection-fixture.ts";
import type { Dice } from "../support/dice.ts";
import { mutated } from "../support/mutate.ts";
import { paths } from "./handlers.ts";
import { requestOf, requestsOf, smuggled, wrongRequest } from "./http1-requests.ts";
import { clientFrames, type Message } from "./http2-frames.ts";
import { asHttp1, rpcRequestOf } from "./rpc-messages.ts";
import { type Script, scriptOf } from "./script.ts";

const squeeze = (bytes: Uint8Array): Uint8Array => new Uint8Array(gzipSync(bytes));

function restRequestOf(dice: Dice): Message {
  const body = dice.chance(0.5) ? dice.bytes(dice.size(100_000)) : new Uint8Array(0);
  const method = dice.pick(["GET", "POST", "PUT", "HEAD", "DELETE", "CONNECT", "TRACE"]);
  const fields = [":method", method, ":scheme", "http", ":path", dice.pick(paths), ":authority", "a"];
  if (dice.chance(0.2)) fields.push("content-length", String(body.length));
  if (dice.chance(0.1)) fields.push("expect", "100-continue");
  if (dice.chance(0.2))
    fields.push("content-type", dice.pick(["application/json", "multipart/form-data; boundary=a"]));
  return { fields, body, trailers: dice.chance(0.1) ? ["x-end", "a"] : undefined };
}

/** Requests of one HTTP/1.1 connection, in pieces. */
export function http1Pieces(dice: Dice): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let count = dice.between(1, 4); count > 0; count--) {
    if (dice.chance(0.4)) pieces.push(...asHttp1(dice, rpcRequestOf(dice, squeeze)));
    else pieces.push(...requestOf(dice, dice.pick(paths), true, 100_000).pieces);
  }
  return pieces;
}

/** The frames of one HTTP/2 connection. */
function http2Pieces(dice: Dice): Uint8Array[] {
  return clientFrames(dice, () => (dice.chance(0.6) ? rpcRequestOf(dice, squeeze) : restRequestOf(dice)));
}

/** What a hostile client does. */
export function hostileScript(dice: Dice): Script {
  const make = dice.chance(0.5) ? http1Pieces : http2Pieces;
  const kind = dice.below(10);
  if (kind === 0) return scriptOf(dice, [dice.bytes(dice.size(5_000))]);
  if (kind === 1) return scriptOf(dice, [wrongRequest(dice).bytes, bytesOf(smuggled)]);
  if (kind === 2) return scriptOf(dice, make(dice));
  return scriptOf(
    dice,
    mutated(dice, make(dice), () => dice.pick([http1Pieces, http2Pieces])(dice)),
  );
}

/** Connects to a port of this machine; undefined when that fails. */
export function connected(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => resolve(undefined));
    socket.on("data", () => {});
    socket.once("connect", () => resolve(socket));
  });
}

/** Right requests of one connection to `/steady`, with what each of them must be taken for. */
export function steadyRequests(dice: Dice): ReturnType<typeof requestsOf> {
  return requestsOf(dice, () => `/steady/${dice.seed()}`);
}
