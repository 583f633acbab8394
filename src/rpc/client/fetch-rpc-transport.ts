import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { CommonTransportOptions } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { MeshError } from "../../core/errors.ts";
import type { RpcProtocol } from "../dialect/rpc-protocol.ts";
import { gzip } from "../message/gzip.ts";
import { createFetchClient, type RpcFetch } from "./fetch-client.ts";
import { serverFaults } from "./protocol-errors.ts";
import type { RpcTransport } from "./rpc-transport.ts";
import {
  checkTransportEncoding,
  defaultCompressMinBytes,
  type RpcTransportEncoding,
} from "./transport-settings.ts";

/** How a {@link createFetchRpcTransport} calls its endpoint; a runtime's own transport options fit. */
export interface FetchRpcTransportOptions extends RpcTransportEncoding {
  /** Scheme, host and port, without a trailing slash. */
  readonly origin: string;
  /** `fetch` shows no trailers, so native gRPC is not possible. */
  readonly protocol: RpcProtocol;
  /** Protobuf's binary format, or its JSON. @default true */
  readonly useBinaryFormat?: boolean;
  /** Upper bound of one message, each way. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** Whether calls of methods without side effects go out as GET (Connect only). @default false */
  readonly useHttpGet?: boolean;
  /**
   * Whether `fetch` streams in both directions at once; without it a bidi call is refused at once instead of hanging.
   *
   * @default true
   */
  readonly bidi?: boolean;
  /** What the platform is called in errors. @default "this platform" */
  readonly platform?: string;
  /** Connect interceptors of this transport; they run once per attempt. */
  readonly interceptors?: readonly Interceptor[];
}

/** Upper bound of one message, each way, unless an option says otherwise. */
export const defaultMaxMessageBytes: number = 4 * 1024 * 1024;

/**
 * Calls one endpoint by Connect or gRPC-Web over any `fetch`: in browsers, on edge platforms, and
 * wherever native gRPC is not at hand.
 *
 * A request that holds one message is sent as plain bytes, so that HTTP/1.1 needs no chunks; streaming
 * requests are read with back-pressure (`duplex: "half"`).
 *
 * @throws TypeError, RangeError for options that are wrong
 * @throws MeshError `ERR_CAPABILITY` for what `fetch` cannot do: native gRPC, brotli, pings, a version of HTTP
 * @example
 * ```ts
 * const transport = createFetchRpcTransport({ fetch, options: { origin: "https://10.0.0.7:7101", protocol: "connect" } });
 * const client = createClient(EchoService, transport.transport);
 * ```
 */
export function createFetchRpcTransport(init: {
  readonly fetch: RpcFetch;
  readonly options: FetchRpcTransportOptions;
}): RpcTransport {
  const { fetch, options } = init;
  if (options.protocol === "grpc") {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot call ${options.origin} by gRPC over fetch: fetch shows no trailers; use protocol "connect" or "grpc-web"`,
    );
  }
  checkTransportEncoding(options, options.protocol, {
    name: options.platform ?? "this platform",
    fetchOnly: true,
  });
  const create = options.protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const [unary, whole, streaming] = (["unary", "whole", "streaming"] as const).map((request) =>
    serverFaults(create(transportOptions(options, fetch, request))),
  ) as [Transport, Transport, Transport];
  const bidi = options.bidi ?? true;
  const stream: Transport["stream"] = (method, ...rest) => {
    if (method.methodKind === "bidi_streaming" && !bidi) {
      return Promise.reject(
        new ConnectError(
          `Cannot call ${method.parent.typeName}/${method.name}: fetch on this platform does not stream both ways at once; use native gRPC on Node, Deno or Bun`,
          Code.Unimplemented,
        ),
      );
    }
    // A server-streaming request is one message: it needs no streaming body.
    return (method.methodKind === "server_streaming" ? whole : streaming).stream(method, ...rest);
  };
  return {
    transport: { unary: unary.unary, stream },
    close: () => Promise.resolve(),
  };
}

/** Which calls a transport is for; `whole` are those that stream in response to one message. */
type Requests = "unary" | "whole" | "streaming";

function transportOptions(
  options: FetchRpcTransportOptions,
  fetch: RpcFetch,
  requests: Requests,
): CommonTransportOptions {
  const { protocol, sendCompression, acceptCompression = ["gzip"], jsonOptions, binaryOptions } = options;
  const maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes;
  // A unary Connect call has no envelopes: its body's encoding is between fetch and the server.
  const enveloped = protocol === "grpc-web" || requests !== "unary";
  return {
    httpClient: createFetchClient(fetch, { wholeRequest: requests !== "streaming" }),
    baseUrl: options.origin,
    useBinaryFormat: options.useBinaryFormat ?? true,
    useHttpGet: options.useHttpGet ?? false,
    interceptors: [...(options.interceptors ?? [])],
    acceptCompression: enveloped && acceptCompression.length > 0 ? [gzip] : [],
    sendCompression: sendCompression === undefined ? null : gzip,
    // Connect compresses what is larger than its bound, we what is not smaller than ours.
    compressMinBytes: (options.compressMinBytes ?? defaultCompressMinBytes) - 1,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: options.maxSendBytes ?? maxMessageBytes,
    ...(jsonOptions && { jsonOptions }),
    ...(binaryOptions && { binaryOptions }),
  };
}
