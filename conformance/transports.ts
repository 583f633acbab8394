import { createRegistry } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createGrpcLeaf } from "../src/runtime/http2/grpc/client.ts";
import type { ClientCompatRequest } from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { Codec, Compression, Protocol } from "./gen/connectrpc/conformance/v1/config_pb.ts";
import { file_connectrpc_conformance_v1_service } from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** What the suite puts into `Any`. */
const registry = createRegistry(file_connectrpc_conformance_v1_service);
const decoder = new TextDecoder();

const compressions: Partial<Record<Compression, "gzip" | "br">> = {
  [Compression.GZIP]: "gzip",
  [Compression.BR]: "br",
};

/** The transport that a test asks for. */
export function openTransport(request: ClientCompatRequest): {
  transport: Transport;
  close(): Promise<void>;
} {
  if (request.protocol !== Protocol.GRPC) {
    throw new Error(`Cannot call: protocol ${request.protocol} is not offered`);
  }
  const secure = request.serverTlsCert.length > 0;
  return createGrpcLeaf({
    origin: `${secure ? "https" : "http"}://${request.host}:${request.port}`,
    protocol: "grpc",
    tls: secure
      ? {
          ca: decoder.decode(request.serverTlsCert),
          cert: decoder.decode(request.clientTlsCreds?.cert),
          key: decoder.decode(request.clientTlsCreds?.key),
        }
      : undefined,
    useBinaryFormat: request.codec === Codec.PROTO,
    maxConnectionsPerEndpoint: 1,
    maxMessageBytes: request.messageReceiveLimit === 0 ? 4 * 1024 * 1024 : request.messageReceiveLimit,
    maxSendBytes: 16 * 1024 * 1024,
    compression: compressions[request.compression],
    compressMinBytes: 0,
    closeGraceMs: 1_000,
    jsonOptions: { registry },
  });
}
