import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "../../core/call.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type DeadlineEntry, deadlinesOf } from "../../policy/deadline-wheel.ts";
import { contentTypeJson, contentTypeProto, formatGrpcTimeout } from "../dialect/call-headers.ts";
import type { Expected } from "../dialect/error-trailers.ts";
import { addField, isReserved, Metadata } from "../dialect/header-metadata.ts";
import { codecsOf, type EncodeOptions, type FormatOptions, type MessageCodec } from "../message/codec.ts";
import { type Compression, compressionNamed } from "../message/compression.ts";
import type { RpcConnectionPool } from "./rpc-connection.ts";
import type { RpcTransportOptions } from "./rpc-transport.ts";
import { defaultCompressMinBytes } from "./transport-settings.ts";

/** Options of the gRPC client beyond those that every RPC transport has. */
export interface GrpcTransportOptions extends RpcTransportOptions {
  /** Timeout of calls that state none, in milliseconds. @default none */
  readonly defaultTimeoutMs?: number | undefined;
  /** Encodings that the platform has, best first. @default none */
  readonly compressions?: readonly Compression[] | undefined;
  /** How long {@link RpcTransport.close} lets open calls finish. @default 30_000 */
  readonly closeGraceMs?: number | undefined;
}

/** What one method needs on every call, made once. */
export interface MethodPlan {
  readonly url: string;
  readonly input: MessageCodec;
  readonly output: MessageCodec;
  /** The headers of a call without metadata and without a timeout: name, value, name, value. */
  readonly headers: readonly string[];
}

/** The options with their defaults, and what follows from them. */
export class ClientConfig implements Expected {
  readonly origin: string;
  readonly clock: Clock;
  readonly pool: RpcConnectionPool;
  readonly encode: EncodeOptions;
  readonly maxReceiveBytes: number;
  readonly defaultTimeoutMs: number | undefined;
  readonly format: "proto" | "json";
  readonly acceptEncoding: string;
  readonly compressions: readonly Compression[];
  readonly #formatOptions: FormatOptions;
  readonly #plans = new Map<DescMethod, MethodPlan>();
  readonly #pseudo: readonly string[];
  readonly #common: readonly string[];

  constructor(options: GrpcTransportOptions, pool: RpcConnectionPool) {
    const url = originOf(options.origin);
    const { clock = systemClock } = options;
    this.origin = url.origin;
    this.clock = clock;
    this.defaultTimeoutMs = options.defaultTimeoutMs;
    this.maxReceiveBytes = limit("maxMessageBytes", options.maxMessageBytes);
    const { sendCompression, compressions = [] } = options;
    const known = compressions.map(({ name }) => name);
    const compression =
      sendCompression === undefined ? undefined : compressionNamed(compressions, sendCompression);
    if (sendCompression !== undefined && compression === undefined) {
      throw new TypeError(`Cannot compress with ${sendCompression}: known are ${known.join(",")}`);
    }
    this.compressions = compressions;
    this.acceptEncoding = (options.acceptCompression ?? known).join(",");
    this.encode = {
      compression,
      compressMinBytes: options.compressMinBytes ?? defaultCompressMinBytes,
      maxBytes: limit("maxSendBytes", options.maxSendBytes ?? options.maxMessageBytes),
    };
    this.format = options.useBinaryFormat ? "proto" : "json";
    this.#formatOptions = { jsonOptions: options.jsonOptions, binaryOptions: options.binaryOptions };
    this.#pseudo = [":method", "POST", ":scheme", url.protocol.slice(0, -1), ":authority", url.host];
    this.#common = [
      "content-type",
      options.useBinaryFormat ? contentTypeProto : contentTypeJson,
      "te",
      "trailers",
      ...(this.acceptEncoding === "" ? [] : ["grpc-accept-encoding", this.acceptEncoding]),
      ...(compression === undefined ? [] : ["grpc-encoding", compression.name]),
    ];
    this.pool = pool;
  }

  /** What the method needs. */
  planOf(method: DescMethod): MethodPlan {
    let plan = this.#plans.get(method);
    if (plan === undefined) {
      const codecs = codecsOf(method, this.#formatOptions);
      const path = `/${method.parent.typeName}/${method.name}`;
      plan = {
        url: this.origin + path,
        input: codecs.input[this.format],
        output: codecs.output[this.format],
        headers: [...this.#pseudo, ":path", path, ...this.#common],
      };
      this.#plans.set(method, plan);
    }
    return plan;
  }
}

/** @throws RangeError for a number of bytes or things that is out of range */
export function limit(name: string, value: number): number {
  if (!(value >= 1 && value <= 0xffffffff)) {
    throw new RangeError(`Cannot use ${name}: ${value} is not between 1 and 4294967295`);
  }
  return value;
}

/** @throws TypeError when it is no origin of HTTP */
export function originOf(origin: string): URL {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TypeError(`Cannot call ${origin}: an endpoint is an http: or https: origin`);
  }
  return url;
}

const defaultAgent: readonly string[] = ["user-agent", "grpc-es-datapunk-mesh/0.1"];

/** The header list of one call; the method's own list when there is nothing to add. */
export function requestHeaders(
  plan: MethodPlan,
  timeoutMs: number | undefined,
  metadata: RequestMetadata | undefined,
): string[] {
  const list = plan.headers.slice();
  const timeout = timeoutMs === undefined ? undefined : formatGrpcTimeout(timeoutMs);
  if (timeout !== undefined) list.push("grpc-timeout", timeout);
  let agent = false;
  metadata?.forEach((value, name) => {
    if (isReserved(name)) return;
    if (name === "user-agent") agent = true;
    addField(list, name, value);
  });
  if (!agent) list.push(...defaultAgent);
  return list;
}

/** The part of `Headers` that a request needs; the mesh brings a cheaper one of its own. */
export type RequestMetadata = Pick<Metadata, "forEach">;

/** User metadata in a form that can be read; undefined when there is none. */
export function metadataOf(init: HeadersInit | undefined): RequestMetadata | undefined {
  if (init === undefined) return undefined;
  if (init instanceof Headers || (init as unknown) instanceof Metadata) return init as RequestMetadata;
  try {
    return new Headers(init);
  } catch (error) {
    throw new ConnectError("invalid metadata", Code.InvalidArgument, undefined, undefined, error);
  }
}

/** What stops a call over one transport: a signal, or the mesh's call on whose behalf it is made. */
export type CancelSource = AbortSignal | Call;

/** Calls `listener` when the source cancels, at once if it has; the returned function stops that. */
export function watchCancel(
  source: CancelSource,
  listener: (reason: unknown) => void,
): (() => void) | undefined {
  if (source instanceof Call) return source.onCancel(listener);
  if (source.aborted) {
    listener(source.reason);
    return undefined;
  }
  const onAbort = (): void => listener(source.reason);
  source.addEventListener("abort", onAbort, { once: true });
  return () => source.removeEventListener("abort", onAbort);
}

/**
 * Calls `expire` at the deadline, by the one wheel of the clock. A mesh's call is cancelled at its own deadline by its
 * timeout layer: one that is no earlier costs nothing here.
 */
export function watchDeadline(
  clock: Clock,
  due: number,
  source: CancelSource | undefined,
  expire: () => void,
): DeadlineEntry | undefined {
  if (source instanceof Call && source.deadline <= due) return undefined;
  return deadlinesOf(clock).add(due, expire);
}
