import type { CommonTransportOptions, Compression } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { serverFaults } from "../../rpc/client/protocol-errors.ts";
import {
  checkTransportEncoding,
  defaultCompressMinBytes,
  rpcCompressions,
} from "../../rpc/client/transport-settings.ts";
import { checkServerIdentity } from "../../security/server-identity.ts";
import { messageCompressions } from "../compression.ts";
import type { RpcTransport, RpcTransportOptions } from "../port.ts";
import { checkTls } from "../tls/check-tls.ts";
import { openGrpcTransport } from "./grpc-transport.ts";
import { openUniversalClient } from "./universal-client.ts";

/** Here everything is possible that an option can ask for. */
const platform = { name: "this runtime", fetchOnly: false };

/**
 * An RPC transport to one endpoint: the mesh's own client for gRPC, Connect's protocols for the other dialects, over
 * HTTP/2 or HTTP/1.1. It connects when the first call needs it, and again after a GOAWAY or a failure.
 *
 * @throws TypeError, RangeError for options that are wrong
 * @throws MeshError `ERR_TLS_CONFIG`, `ERR_CAPABILITY` for gRPC over HTTP/1.1
 */
export function openRpcTransport(options: RpcTransportOptions): RpcTransport {
  const { tls, protocol } = options;
  checkTransportEncoding(options, protocol, platform);
  if (tls !== undefined) checkTls(tls);
  // A resolver may say anything.
  checkServerIdentity("a connection", options.server);
  if (protocol === "grpc") return openGrpcTransport(options);
  const client = openUniversalClient({ ...options, httpVersion: options.httpVersion ?? "2" });
  const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  return {
    transport: serverFaults(create(transportOptions(options, client.httpClient))),
    ...(client.state && { state: client.state }),
    ...(client.busy && { busy: client.busy }),
    close: () => client.close(),
  };
}

function transportOptions(
  options: RpcTransportOptions,
  httpClient: CommonTransportOptions["httpClient"],
): CommonTransportOptions {
  const { sendCompression, acceptCompression = rpcCompressions, jsonOptions, binaryOptions } = options;
  const named = (name: string): Compression | undefined =>
    messageCompressions.find((each) => each.name === name);
  return {
    httpClient,
    baseUrl: options.origin,
    useBinaryFormat: options.useBinaryFormat,
    interceptors: [],
    useHttpGet: options.protocol === "connect" && (options.useHttpGet ?? false),
    acceptCompression: acceptCompression.flatMap((name) => named(name) ?? []),
    sendCompression: sendCompression === undefined ? null : (named(sendCompression) ?? null),
    // Connect compresses what is larger than its bound, we what is not smaller than ours.
    compressMinBytes: (options.compressMinBytes ?? defaultCompressMinBytes) - 1,
    readMaxBytes: options.maxMessageBytes,
    writeMaxBytes: options.maxSendBytes ?? options.maxMessageBytes,
    ...(jsonOptions && { jsonOptions }),
    ...(binaryOptions && { binaryOptions }),
  };
}
