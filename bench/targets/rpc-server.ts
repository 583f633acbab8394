/** Serves the echo service by gRPC until it is killed: `grpc-js`, `connect-node` or `mesh` (all layers on). */
import { createServer } from "node:http2";
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { createMesh } from "../../mod.ts";
import {
  BenchService,
  EchoResponseSchema,
  FeedResponseSchema,
} from "../gen/datapunk/mesh/bench/v1/bench_pb.ts";
import { grpcJsDefinition } from "./grpc-js.ts";

const ready = (port: number): void => console.log(JSON.stringify({ port }));

const routes = (router: ConnectRouter): unknown =>
  router.service(BenchService, {
    echo: (request) => ({ payload: request.payload }),
    async *feed(request) {
      const message = create(FeedResponseSchema, { payload: new Uint8Array(request.sizeBytes) });
      for (let i = 0; i < request.messages; i += 1) yield message;
    },
  });

const kind = process.argv[2];
switch (kind) {
  case "grpc-js": {
    const server = new Server({ "grpc.max_receive_message_length": 64 << 20 });
    server.addService(grpcJsDefinition(BenchService), {
      echo: (call: { request: { payload: Uint8Array } }, reply: (error: null, response: unknown) => void) =>
        reply(null, create(EchoResponseSchema, { payload: call.request.payload })),
      feed: async (call: {
        request: { messages: number; sizeBytes: number };
        write(message: unknown): boolean;
        once(event: "drain", listener: () => void): void;
        end(): void;
      }) => {
        const message = create(FeedResponseSchema, { payload: new Uint8Array(call.request.sizeBytes) });
        for (let i = 0; i < call.request.messages; i += 1) {
          if (!call.write(message)) await new Promise<void>((resolve) => call.once("drain", resolve));
        }
        call.end();
      },
    });
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error !== null) throw error;
      ready(port);
    });
    break;
  }
  case "connect-node": {
    const server = createServer(connectNodeAdapter({ routes }));
    server.listen(0, "127.0.0.1", () => ready((server.address() as { port: number }).port));
    break;
  }
  case "mesh": {
    const mesh = createMesh({ service: "bench", server: { rateLimit: { perMinute: 1e9, burst: 1e9 } } });
    const app = mesh.app();
    app.get("/memory", (c) => {
      (globalThis as { gc?: () => void }).gc?.();
      const { heapUsed, external } = process.memoryUsage();
      return c.text(String(heapUsed + external));
    });
    const server = await mesh.serve({ app, routes, port: 0, hostname: "127.0.0.1" });
    ready(server.port);
    break;
  }
  default:
    throw new TypeError(`Cannot serve: "${kind}" is no kind of RPC target`);
}
