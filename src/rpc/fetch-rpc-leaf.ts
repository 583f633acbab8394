import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { CommonTransportOptions, Compression } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { MeshError } from "../core/errors.ts";
import { createFetchClient, type FetchFunction } from "./fetch-client.ts";
import type { RpcLeaf } from "./leaf.ts";

/** How a {@link createFetchRpcLeaf} calls its endpoint; a runtime's own leaf options fit. */
export interface FetchRpcLeafOptions {
  /** Scheme, host and port, without a trailing slash. */
  readonly origin: string;
  /** `fetch` shows no trailers, so native gRPC is not possible. */
  readonly protocol: "grpc" | "grpc-web" | "connect";
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
  /** Compressions offered for messages inside envelopes (gRPC-Web); `fetch` itself handles those of whole bodies. @default none */
  readonly acceptCompression?: readonly Compression[];
  /** Compression of request messages. @default none */
  readonly sendCompression?: Compression;
  /** Messages smaller than this go uncompressed. @default 1024 */
  readonly compressMinBytes?: number;
  /** Connect interceptors of this leaf; they run once per attempt. */
  readonly interceptors?: readonly Interceptor[];
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
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
 * @throws MeshError `ERR_CAPABILITY` when native gRPC is asked for
 * @example
 * ```ts
 * const leaf = createFetchRpcLeaf({ fetch, options: { origin: "https://10.0.0.7:7101", protocol: "connect" } });
 * const client = createClient(EchoService, leaf.transport);
 * ```
 */
export function createFetchRpcLeaf(init: {
  readonly fetch: FetchFunction;
  readonly options: FetchRpcLeafOptions;
}): RpcLeaf {
  const { fetch, options } = init;
  if (options.protocol === "grpc") {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot call ${options.origin} by gRPC over fetch: fetch shows no trailers; use protocol "connect" or "grpc-web"`,
    );
  }
  const create = options.protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const whole = create(transportOptions(options, fetch, true));
  const streaming = create(transportOptions(options, fetch, false));
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
    transport: { unary: whole.unary, stream },
    close: () => Promise.resolve(),
  };
}

function transportOptions(
  options: FetchRpcLeafOptions,
  fetch: FetchFunction,
  wholeRequest: boolean,
): CommonTransportOptions {
  const maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes;
  return {
    httpClient: createFetchClient(fetch, { wholeRequest }),
    baseUrl: options.origin,
    useBinaryFormat: options.useBinaryFormat ?? true,
    useHttpGet: options.useHttpGet ?? false,
    interceptors: [...(options.interceptors ?? [])],
    acceptCompression: options.protocol === "connect" ? [] : [...(options.acceptCompression ?? [])],
    sendCompression: options.sendCompression ?? null,
    compressMinBytes: options.compressMinBytes ?? 1024,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    ...(options.jsonOptions === undefined ? undefined : { jsonOptions: options.jsonOptions }),
    ...(options.binaryOptions === undefined ? undefined : { binaryOptions: options.binaryOptions }),
  };
}
