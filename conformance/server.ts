/** The server under test: reads what it shall offer from standard input, and says where it listens. */
import { createSecureServer, createServer, type Http2SecureServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, createRegistry } from "@bufbuild/protobuf";
import { createDispatcher } from "../src/rpc/dispatch.ts";
import { createGrpcHandler } from "../src/runtime/http2/grpc/handler.ts";
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

function open(request: ServerCompatRequest): Http2Server | Http2SecureServer {
  if (!request.useTls) return createServer();
  const { serverCreds, clientTlsCert } = request;
  return createSecureServer({
    cert: decoder.decode(serverCreds?.cert),
    key: decoder.decode(serverCreds?.key),
    ...(clientTlsCert.length === 0
      ? {}
      : { ca: decoder.decode(clientTlsCert), requestCert: true, rejectUnauthorized: true }),
  });
}

async function serve(request: ServerCompatRequest): Promise<void> {
  const limits = request.messageReceiveLimit === 0 ? {} : { readMaxBytes: request.messageReceiveLimit };
  const dispatcher = createDispatcher({
    admission: createAdmission({ service: "conformance", rateLimit: false }),
    routes: (router) => router.service(ConformanceService, conformanceService, limits),
    jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) },
  });
  const connection = {
    remoteAddress: "127.0.0.1",
    encrypted: request.useTls,
    httpVersion: "2",
    peer: undefined,
  };
  const server = open(request);
  server.on("stream", createGrpcHandler({ dispatcher, connectionOf: () => connection }));
  server.on("session", (session) => session.on("error", () => {}));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const response = create(ServerCompatResponseSchema, { host: "127.0.0.1", port });
  if (request.serverCreds !== undefined) response.pemCert = request.serverCreds.cert;
  writeMessage(ServerCompatResponseSchema, response);
}

for await (const request of readMessages(ServerCompatRequestSchema)) {
  await serve(request);
  break;
}
