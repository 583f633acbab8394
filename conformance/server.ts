/** The server under test: reads what it shall offer from standard input, and says where it listens. */
import { create, createRegistry } from "@bufbuild/protobuf";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { runtime } from "#runtime";
import { createDispatcher } from "../src/rpc/dispatch.ts";
import type { ServerTls } from "../src/runtime/port.ts";
import { createAdmission } from "../src/server/create-admission.ts";
import { readMessages, writeMessage } from "./frames.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import {
  ConformanceService,
  file_connectrpc_conformance_v1_service,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./service.ts";

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
  const limits = request.messageReceiveLimit === 0 ? {} : { readMaxBytes: request.messageReceiveLimit };
  const dispatcher = createDispatcher({
    // The suite wants to see the time that the caller granted, and none when it granted none.
    admission: createAdmission({
      service: "conformance",
      rateLimit: false,
      peerLimit: false,
      timeoutMs: Infinity,
    }),
    routes: (router) => router.service(ConformanceService, conformanceService, limits),
    acceptCompression: [compressionGzip, compressionBrotli],
    jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) },
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
