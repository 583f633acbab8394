/**
 * Calls the echo service by gRPC for some seconds and says how many calls (`unary`, 64 in flight), small messages
 * (`feed`) or MiB of large messages (`large`) a second: with `grpc-js`, `connect-node` or `mesh` (all policies on).
 */
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import { createMesh, staticResolver } from "../../mod.ts";
import {
  BenchService,
  EchoRequestSchema,
  FeedRequestSchema,
} from "../gen/datapunk/mesh/bench/v1/bench_pb.ts";
import { grpcJsDefinition } from "./grpc-js.ts";

const [kind = "", work = "unary", origin = "", seconds = "3"] = process.argv.slice(2);

/** One unary call, and one stream read to its end. */
interface EchoClient {
  echo(payload: Uint8Array): Promise<unknown>;
  feed(messages: number, sizeBytes: number): Promise<number>;
}

function overConnect(transport: Transport): EchoClient {
  const client = createClient(BenchService, transport);
  return {
    echo: (payload) => client.echo({ payload }),
    async feed(messages, sizeBytes) {
      let count = 0;
      for await (const _ of client.feed({ messages, sizeBytes })) count += 1;
      return count;
    },
  };
}

function overGrpcJs(): EchoClient {
  const Client = makeGenericClientConstructor(grpcJsDefinition(BenchService), "BenchService");
  const client = new Client(new URL(origin).host, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
  }) as unknown as {
    echo(request: unknown, reply: (error: Error | null, response: unknown) => void): void;
    feed(request: unknown): AsyncIterable<unknown>;
  };
  return {
    echo: (payload) =>
      new Promise((resolve, reject) =>
        client.echo(create(EchoRequestSchema, { payload }), (error, response) =>
          error === null ? resolve(response) : reject(error),
        ),
      ),
    async feed(messages, sizeBytes) {
      let count = 0;
      for await (const _ of client.feed(create(FeedRequestSchema, { messages, sizeBytes }))) count += 1;
      return count;
    },
  };
}

function open(): EchoClient {
  if (kind === "grpc-js") return overGrpcJs();
  if (kind === "connect-node") return overConnect(createGrpcTransport({ baseUrl: origin }));
  if (kind === "mesh") {
    const mesh = createMesh({ service: "bench", resolver: staticResolver({ echo: [origin] }) });
    return overConnect(mesh.transport("echo", { protocol: "grpc" }));
  }
  throw new TypeError(`Cannot call: "${kind}" is no kind of RPC client`);
}

const client = open();
const payload = new Uint8Array(32).fill(7);
const tasks: Readonly<Record<string, { inFlight: number; step(): Promise<number> }>> = {
  unary: { inFlight: 64, step: () => client.echo(payload).then(() => 1) },
  feed: { inFlight: 4, step: () => client.feed(2_000, 32) },
  large: { inFlight: 2, step: () => client.feed(16, 1 << 20) },
};
const task = tasks[work];
if (task === undefined) throw new TypeError(`Cannot measure: "${work}" is no kind of work`);

async function load(ms: number): Promise<number> {
  let done = 0;
  const start = performance.now();
  const lane = async (): Promise<void> => {
    while (performance.now() < start + ms) {
      const count = (await task?.step()) ?? 0;
      done += count;
    }
  };
  await Promise.all(Array.from({ length: task?.inFlight ?? 1 }, lane));
  return done / ((performance.now() - start) / 1000);
}
await load(700);
console.log(JSON.stringify({ perSecond: await load(Number(seconds) * 1000) }));
process.exit(0);
