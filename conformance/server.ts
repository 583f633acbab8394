/** The server under test: reads what it shall offer from standard input, and says where it listens. */
import { create } from "@bufbuild/protobuf";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { runtime } from "#runtime";
import type { ServerTls } from "../src/net/port.ts";
import { readMessages, writeMessage } from "./frames.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { createConformanceDispatcher } from "./server-dispatcher.ts";

const decoder = new TextDecoder();

function tlsOf(request: ServerCompatRequest): ServerTls | undefined {
  if (!request.useTls) return undefined;
  const cert = decoder.decode(request.serverCreds?.cert);
  const withClients = request.clientTlsCert.length > 0;
  return {
    cert,
    key: decoder.decode(request.serverCreds?.key),
    ca: withClients ? decoder.decode(request.clientTlsCert) : cert,
    clientAuth: withClients ? "require" : "none",
  };
}

async function serve(request: ServerCompatRequest): Promise<void> {
  const dispatcher = createConformanceDispatcher({
    messageReceiveLimit: request.messageReceiveLimit,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  const listener = await runtime.listen({
    hostname: "127.0.0.1",
    ports: { all: 0 },
    tls: tlsOf(request),
    fetch: () => new Response(null, { status: 404 }),
    rpc: dispatcher,
    onConnectionError: () => {},
  });
  const response = create(ServerCompatResponseSchema, { host: "127.0.0.1", port: listener.ports.grpc });
  if (request.serverCreds !== undefined) response.pemCert = request.serverCreds.cert;
  writeMessage(ServerCompatResponseSchema, response);
}

for await (const request of readMessages(ServerCompatRequestSchema)) {
  await serve(request);
  break;
}
