import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoResponseSchema } from "../gen/test/v1/echo_pb.ts";
import { bytesOf } from "../http/http1/connection-fixture.ts";
import type { Dice } from "../support/dice.ts";
import { cut, joined, mutatedBytes } from "../support/mutate.ts";
import type { Message } from "./http2-frames.ts";

/** What compresses a payload; passed in, because not every runtime can do it at once. */
export type Squeeze = (bytes: Uint8Array) => Uint8Array;

const service = "/datapunk.mesh.test.v1.EchoService";
const methods = ["Echo", "Get", "Put", "Expand", "Collect", "Chat", "Nothing"];
const types = [
  ...["application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc;a=b"],
  ...[
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web+json",
    "application/grpc-web-text",
  ],
  ...["application/connect+proto", "application/connect+json", "application/proto", "application/json"],
  ...["application/json; charset=utf-8", "constructor", "application/grpcx", "text/plain"],
];
const timeouts = ["100m", "1S", "99999999H", "0n", "-1S", "1x", "", "123456789S", "50", "1e3", " 5"];
const encodings = ["gzip", "identity", "br", "zzz", "", "gzip, identity"];

function payloadOf(dice: Dice, json: boolean, request: boolean): Uint8Array {
  const text = dice.text(dice.size(2_000), "abc\n\0é");
  const fail = dice.chance(0.2) ? dice.between(1, 21) : 0;
  const count = dice.chance(0.1) ? dice.below(2 ** 31) : dice.below(5);
  const schema = request ? EchoRequestSchema : EchoResponseSchema;
  const message = create(schema, (request ? { text, count, fail } : { text, index: count }) as never);
  const bytes = json
    ? new TextEncoder().encode(JSON.stringify(toJson(schema, message as never)))
    : toBinary(schema, message as never);
  return dice.chance(0.15) ? mutatedBytes(dice, bytes) : bytes;
}

/** A payload with a prefix before it, which now and then says something else than what comes. */
function envelopeOf(dice: Dice, payload: Uint8Array, flags: number): Uint8Array {
  const length = dice.chance(0.95)
    ? payload.length
    : dice.pick([0, 1, payload.length + 1, 2 ** 31, 2 ** 32 - 1]);
  const prefix = new Uint8Array(5);
  prefix[0] = dice.chance(0.95) ? flags : dice.pick([1, 2, 3, 4, 128, 129, 255]);
  new DataView(prefix.buffer).setUint32(1, length);
  return joined([prefix, payload]);
}

function squeezed(dice: Dice, squeeze: Squeeze, payload: Uint8Array): Uint8Array {
  // What looks small and is not.
  if (dice.chance(0.05)) return squeeze(new Uint8Array(6_000_000));
  const bytes = squeeze(payload);
  return dice.chance(0.2) ? mutatedBytes(dice, bytes) : bytes;
}

function bodyOf(
  dice: Dice,
  type: string,
  compressed: boolean,
  squeeze: Squeeze,
  request: boolean,
): Uint8Array {
  const json = type.includes("json");
  const one = (): Uint8Array => {
    const payload = payloadOf(dice, json, request);
    return compressed && dice.chance(0.7) ? squeezed(dice, squeeze, payload) : payload;
  };
  const bare = !type.includes("grpc") && !type.includes("connect");
  if (bare) return one();
  const envelopes: Uint8Array[] = [];
  for (let count = dice.chance(0.6) ? 1 : dice.below(5); count > 0; count--) {
    envelopes.push(envelopeOf(dice, one(), compressed ? 1 : 0));
  }
  if (dice.chance(request ? 0.05 : 0.7)) {
    if (type.includes("web")) {
      const trailers = dice.pick([
        "grpc-status: 0\r\n",
        "grpc-status:5\r\ngrpc-message: %zz\r\n",
        "nonsense",
        "",
      ]);
      envelopes.push(envelopeOf(dice, bytesOf(trailers), 128));
    } else if (type.includes("connect")) {
      const end = dice.pick([
        "{}",
        '{"error":{"code":"aborted"}}',
        '{"error":5}',
        "null",
        "[",
        '{"metadata":{"a":["b\\n"]}}',
      ]);
      envelopes.push(envelopeOf(dice, bytesOf(end), 2));
    }
  }
  const body = joined(envelopes);
  return dice.chance(0.1) ? mutatedBytes(dice, body) : body;
}

/** An RPC in any of the protocols, right or nearly so. */
export function rpcRequestOf(dice: Dice, squeeze: Squeeze): Message {
  const type = dice.pick(types);
  const path = `${service}/${dice.pick(methods)}`;
  const fields: string[] = [":scheme", "http", ":authority", "a"];
  const compressed = dice.chance(0.2);
  if (type.startsWith("application/") && !type.includes("grpc") && dice.chance(0.1)) {
    const message = dice.pick(["{}", "AAAA", "%00", dice.text(20), "%7B%22text%22%3A%22a%22%7D"]);
    const query = `?connect=v1&encoding=${dice.pick(["json", "proto", "x"])}&message=${message}&base64=${dice.below(2)}`;
    return { fields: [":method", "GET", ":path", path + query, ...fields], body: new Uint8Array(0) };
  }
  fields.push(
    ":method",
    dice.chance(0.97) ? "POST" : dice.pick(["GET", "PUT", "HEAD", "OPTIONS"]),
    ":path",
    path,
  );
  fields.push("content-type", type);
  if (dice.chance(0.8)) fields.push("te", "trailers");
  if (dice.chance(0.5)) fields.push("connect-protocol-version", dice.pick(["1", "1", "2", ""]));
  if (dice.chance(0.2)) fields.push("grpc-timeout", dice.pick(timeouts));
  if (dice.chance(0.2))
    fields.push("connect-timeout-ms", dice.pick(["100", "0", "-1", "x", "99999999999", "1e3"]));
  if (compressed) {
    const name = type.includes("grpc")
      ? "grpc-encoding"
      : type.includes("connect")
        ? "connect-content-encoding"
        : "content-encoding";
    fields.push(name, dice.chance(0.8) ? "gzip" : dice.pick(encodings));
  }
  if (dice.chance(0.1)) fields.push("grpc-accept-encoding", dice.pick(encodings));
  if (dice.chance(0.1)) fields.push(`x-${dice.text(3)}-bin`, dice.pick(["AAAA", "%", "====", dice.text(9)]));
  const body = bodyOf(dice, type, compressed, squeeze, true);
  return { fields, body };
}

/** A response to one, likewise. */
export function rpcResponseOf(dice: Dice, squeeze: Squeeze): Message {
  const type = dice.pick(types);
  const compressed = dice.chance(0.2);
  const fields = [
    ":status",
    dice.chance(0.85) ? "200" : dice.pick(["204", "304", "404", "415", "500", "503", "099"]),
  ];
  fields.push("content-type", type);
  if (compressed)
    fields.push(type.includes("grpc") ? "grpc-encoding" : "connect-content-encoding", dice.pick(encodings));
  if (dice.chance(0.1)) fields.push("grpc-status", dice.pick(["0", "5", "99", "x"]));
  if (dice.chance(0.1)) fields.push("content-length", String(dice.below(100)));
  const trailers = ["grpc-status", dice.pick(["0", "0", "0", "5", "17", "-1", "abc", ""])];
  if (dice.chance(0.3)) trailers.push("grpc-message", dice.pick(["%", "%zz", "a%20b", "%ff%fe", ""]));
  if (dice.chance(0.2)) trailers.push("grpc-status-details-bin", dice.pick(["AAAA", "!!!!", dice.text(30)]));
  if (dice.chance(0.1)) trailers.push("grpc-retry-pushback-ms", dice.pick(["-1", "5", "x"]));
  const body = bodyOf(dice, type, compressed, squeeze, false);
  return { fields, body, trailers: dice.chance(0.7) ? trailers : undefined };
}

/** The same message by HTTP/1.1. */
export function asHttp1(dice: Dice, { fields, body }: Message): Uint8Array[] {
  const of = (name: string): string => fields[fields.indexOf(name) + 1]!;
  const isRequest = fields.includes(":method");
  const start = isRequest
    ? `${of(":method")} ${of(":path")} HTTP/1.1`
    : `HTTP/1.1 ${of(":status")} ${dice.pick(["OK", "", "Fine"])}`;
  const lines = isRequest ? [start, "host: a"] : [start];
  for (let at = 0; at < fields.length; at += 2) {
    if (!fields[at]!.startsWith(":")) lines.push(`${fields[at]}: ${fields[at + 1]}`);
  }
  const way = dice.below(3);
  if (way === 0) lines.push(`content-length: ${body.length}`);
  if (way === 1) lines.push("transfer-encoding: chunked");
  const head = bytesOf(`${lines.join("\r\n")}\r\n\r\n`);
  if (way !== 1) return way === 0 || !isRequest ? [head, body] : [head];
  const chunks = body.length === 0 ? [] : cut(dice, body);
  return [
    head,
    ...chunks.flatMap((chunk) => [bytesOf(`${chunk.length.toString(16)}\r\n`), chunk, bytesOf("\r\n")]),
    bytesOf("0\r\n\r\n"),
  ];
}
