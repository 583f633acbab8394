import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { createClient } from "@connectrpc/connect";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, TransportOptions } from "../../src/mesh/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { Dice } from "../support/dice.ts";
import { metricValue } from "../support/metric-value.ts";
import { mutated } from "../support/mutate.ts";
import { serverFrames } from "./http2-frames.ts";
import { asHttp1, rpcResponseOf } from "./rpc-messages.ts";
import { play, type Script, scriptOf, turns } from "./script.ts";

const squeeze = (bytes: Uint8Array): Uint8Array => new Uint8Array(gzipSync(bytes));

function hostileResponse(dice: Dice, http2: boolean): Script {
  const make = (): Uint8Array[] =>
    http2
      ? serverFrames(dice, [1, 3, 5, 7].slice(0, dice.between(1, 4)), () => rpcResponseOf(dice, squeeze))
      : asHttp1(dice, rpcResponseOf(dice, squeeze));
  const kind = dice.below(10);
  if (kind === 0) return scriptOf(dice, [dice.bytes(dice.size(5_000))]);
  if (kind < 3) return scriptOf(dice, make());
  return scriptOf(dice, mutated(dice, make(), make));
}

/** A server that speaks like one, but not as it should. */
class HostileServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(seed: number) {
    const dice = new Dice(seed);
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      const own = new Dice(dice.seed());
      // Some do not wait until they are asked.
      if (own.chance(0.05)) void play(socket, hostileResponse(own, own.chance(0.5)));
      else {
        socket.once("data", (first: Uint8Array) => {
          // "PRI": HTTP/2.
          void play(socket, hostileResponse(own, first[1] === 0x52));
        });
      }
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function readSome(dice: Dice, response: Response): Promise<void> {
  const way = dice.below(4);
  if (way === 0) await response.text();
  else if (way === 1) await response.body?.cancel();
  else if (way === 2) {
    for await (const _ of response.body ?? []) if (dice.chance(0.2)) break;
  } else await response.json();
}

async function callRest(mesh: Mesh, dice: Dice): Promise<void> {
  const body = dice.chance(0.5) ? { body: "x".repeat(dice.size(200_000)) } : {};
  const signal = dice.chance(0.1) ? { signal: AbortSignal.timeout(dice.below(50)) } : {};
  if (dice.chance(0.5)) {
    const method = "body" in body ? "POST" : dice.pick(["GET", "HEAD", "DELETE"]);
    await readSome(dice, await mesh.fetch("mesh://lake/a", { method, ...body, ...signal }));
    return;
  }
  const response = mesh.rest("lake").request("body" in body ? "PUT" : "GET", "a", { ...body, ...signal });
  const way = dice.below(3);
  if (way === 0) await response.json();
  else if (way === 1) await response.text();
  else await response;
}

async function* requests(dice: Dice): AsyncGenerator<{ text: string }> {
  for (let count = dice.below(4); count > 0; count--) {
    yield { text: "x".repeat(dice.size(100_000)) };
    await turns(dice.below(5));
  }
  if (dice.chance(0.1)) throw new Error("The source failed");
}

async function callRpc(mesh: Mesh, dice: Dice): Promise<void> {
  const protocol = dice.pick(["grpc", "connect", "grpc-web"] as const);
  const options: TransportOptions = {
    protocol,
    useBinaryFormat: dice.chance(0.7),
    maxMessageBytes: 1_000_000,
    ...(protocol === "grpc" ? {} : { httpVersion: dice.pick(["1.1", "2"] as const) }),
  };
  const client = createClient(EchoService, mesh.transport("lake", options));
  const signal = dice.chance(0.1) ? { signal: AbortSignal.timeout(dice.below(50)) } : {};
  const way = dice.below(4);
  if (way === 0) await client.echo({ text: "x".repeat(dice.size(100_000)) }, signal);
  else if (way === 1) await client.collect(requests(dice), signal);
  else {
    const stream = way === 2 ? client.expand({ count: 3 }, signal) : client.chat(requests(dice), signal);
    for await (const _ of stream) if (dice.chance(0.1)) break;
  }
}

/**
 * Calls a hostile server in all the ways that a client has.
 *
 * @returns what is wrong with how the calls ended
 */
export async function callHostile(seed: number): Promise<string[]> {
  const dice = new Dice(seed);
  const server = new HostileServer(dice.seed());
  const resolver = staticResolver({ lake: [await server.listen()] });
  const retry = dice.chance(0.3) ? { maxAttempts: 3 } : (false as const);
  const mesh = createMesh({
    service: "fuzz",
    resolver,
    policies: { lake: { timeoutMs: 300, breaker: false, retry } },
    maxConnectionsPerEndpoint: 2,
  });
  const problems: string[] = [];
  const calls: Promise<unknown>[] = [];
  for (let count = dice.between(1, 6); count > 0; count--) {
    const rest = dice.chance(0.4);
    const call = rest ? callRest(mesh, new Dice(dice.seed())) : callRpc(mesh, new Dice(dice.seed()));
    const settled = call.then(
      () => {},
      () => {},
    );
    const what = rest ? "a REST call to a hostile server" : "an RPC to a hostile server";
    calls.push(within(settled, what, 5_000).catch((error: Error) => problems.push(error.message)));
    if (dice.chance(0.3)) await turns(dice.size(50));
  }
  await Promise.all(calls);
  for (
    let turn = 0;
    turn < 200 && ((await metricValue(mesh.metrics, "mesh_client_in_flight")) ?? 0) > 0;
    turn++
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const left = (await metricValue(mesh.metrics, "mesh_client_in_flight")) ?? 0;
  if (left !== 0) problems.push(`${left} calls to a hostile server are counted as in flight`);
  await within(mesh.close(), "the end of a mesh", 5_000).catch((error: Error) =>
    problems.push(error.message),
  );
  server.close();
  return problems;
}
