import { createRegistry } from "@bufbuild/protobuf";
import { runtime } from "#runtime";
import type { TlsIdentity } from "../src/core/identity.ts";
import type { RpcTransport, RpcTransportOptions } from "../src/net/port.ts";
import { createAuthority } from "../test/support/certificates.ts";
import type { ClientCompatRequest } from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { Codec, Compression, HTTPVersion, Protocol } from "./gen/connectrpc/conformance/v1/config_pb.ts";
import { file_connectrpc_conformance_v1_service } from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** What the suite puts into `Any`. */
const registry = createRegistry(file_connectrpc_conformance_v1_service);
const decoder = new TextDecoder();

const protocols: Partial<Record<Protocol, RpcTransportOptions["protocol"]>> = {
  [Protocol.CONNECT]: "connect",
  [Protocol.GRPC]: "grpc",
  [Protocol.GRPC_WEB]: "grpc-web",
};

const versions: Partial<Record<HTTPVersion, "1.1" | "2">> = {
  [HTTPVersion.HTTP_VERSION_1]: "1.1",
  [HTTPVersion.HTTP_VERSION_2]: "2",
};

const compressions: Partial<Record<Compression, "gzip" | "br">> = {
  [Compression.GZIP]: "gzip",
  [Compression.BR]: "br",
};

function offered<K extends PropertyKey, V>(table: Partial<Record<K, V>>, key: K, what: string): V {
  const value = table[key];
  if (value === undefined) throw new Error(`Cannot call: ${what} ${String(key)} is not offered`);
  return value;
}

/** A client of the mesh always has a certificate; this one is shown where the test brings none, and nobody asks. */
const spare = await (await createAuthority()).issue();

function identityOf(request: ClientCompatRequest): TlsIdentity | undefined {
  if (request.serverTlsCert.length === 0) return undefined;
  const { cert, key } = request.clientTlsCreds ?? {};
  return {
    ca: decoder.decode(request.serverTlsCert),
    cert: cert === undefined ? spare.cert : decoder.decode(cert),
    key: key === undefined ? spare.key : decoder.decode(key),
  };
}

/** The transport that a test asks for, opened as the mesh opens it. */
export function openTransport(request: ClientCompatRequest): RpcTransport {
  const tls = identityOf(request);
  return runtime.openRpcTransport({
    origin: `${tls === undefined ? "http" : "https"}://${request.host}:${request.port}`,
    protocol: offered(protocols, request.protocol, "protocol"),
    httpVersion: offered(versions, request.httpVersion, "HTTP version"),
    tls,
    useBinaryFormat: request.codec === Codec.PROTO,
    useHttpGet: request.useGetHttpMethod,
    maxConnectionsPerEndpoint: 1,
    maxMessageBytes: request.messageReceiveLimit === 0 ? 4 * 1024 * 1024 : request.messageReceiveLimit,
    maxSendBytes: 16 * 1024 * 1024,
    sendCompression: compressions[request.compression],
    compressMinBytes: 0,
    jsonOptions: { registry },
  });
}
