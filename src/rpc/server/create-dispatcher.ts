import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import type {
  Compression,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { Call } from "../../core/call.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { RequestPipeline } from "../../serve/request-pipeline.ts";
import { defaultMaxMessageBytes } from "../client/fetch-rpc-transport.ts";
import { isCompressed } from "../dialect/rpc-dialect.ts";
import { gzip } from "../message/gzip.ts";
import { type CallLifecycle, createCallLifecycle } from "./call-lifecycle.ts";
import {
  type ResponseCompression,
  type RpcDispatcher,
  type RpcHandler,
  type RpcMethod,
  unknownOperation,
} from "./dispatcher.ts";
import { unservedError } from "./http-refusal.ts";
import { collectRoutes } from "./method-router.ts";
import type { RpcRouter } from "./router.ts";
import { errorMapping, UniversalCall } from "./universal-call.ts";
import type { UniversalMethod } from "./universal-method.ts";

/** Options of {@link createDispatcher}. */
export interface DispatcherOptions {
  /** Registers the services, on Connect's own router. */
  readonly routes: (router: RpcRouter) => void;
  /** What every call passes: security, limits, metrics. */
  readonly pipeline: RequestPipeline;
  /** Connect interceptors of every service that brings none of its own, inside the server's layers. */
  readonly interceptors?: readonly Interceptor[];
  /** The largest message in either direction, in bytes. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** Callers that grant more time get this much, in milliseconds; they are not refused. @default Infinity */
  readonly maxTimeoutMs?: number;
  /** Compressions offered to clients, most preferred first. @default gzip */
  readonly acceptCompression?: readonly Compression[];
  /** Messages smaller than this go uncompressed. @default 1024 */
  readonly compressMinBytes?: number;
  /**
   * Which responses are compressed, in every protocol alike: those to requests that came compressed (as grpc-go has it),
   * or all to clients that accept it (as connect-go has it). Nearly every client says that it accepts gzip, and inside of
   * a data centre the time of a processor is dearer than bytes; towards browsers and over long ways `"accepted"` is right.
   *
   * @default "requested"
   */
  readonly responseCompression?: ResponseCompression;
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
  /** Aborting it aborts the signal of every handler. */
  readonly shutdownSignal?: AbortSignal;
  /** Makes the call the current one while its handler runs. @default none */
  readonly asyncContext?: { run<T>(call: Call, task: () => T): T };
  /** Told of what a handler threw that goes out as `internal`, without its text. */
  readonly onError?: (call: Call, error: unknown) => void;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Puts the server's layers around Connect's router: nothing of a call's body is read before they have let it through, it
 * runs inside its context with a deadline that holds, and it ends once, with the status at its end.
 *
 * @example
 * ```ts
 * const dispatcher = createDispatcher({ pipeline, routes: (router) => router.service(EchoService, echo) });
 * const response = await dispatcher.find("/echo.v1.EchoService/Echo")?.(request, connection);
 * ```
 */
export function createDispatcher(options: DispatcherOptions): RpcDispatcher {
  const { pipeline, clock = systemClock, maxTimeoutMs = Infinity } = options;
  const maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes;
  const lifecycle = createCallLifecycle({
    pipeline,
    clock,
    maxTimeoutMs,
    asyncContext: options.asyncContext,
    onError: options.onError,
  });
  const responseCompression = options.responseCompression ?? "requested";
  if (responseCompression !== "requested" && responseCompression !== "accepted") {
    throw new TypeError(
      `Cannot serve RPCs: responseCompression is ${JSON.stringify(responseCompression)}; pass "requested" or "accepted"`,
    );
  }
  const { handlers, methods } = collectRoutes(
    options.routes,
    {
      interceptors: options.interceptors ?? [],
      acceptCompression: [...(options.acceptCompression ?? [gzip])],
      compressMinBytes: options.compressMinBytes ?? 1024,
      responseCompression,
      readMaxBytes: maxMessageBytes,
      writeMaxBytes: maxMessageBytes,
      jsonOptions: options.jsonOptions,
      binaryOptions: options.binaryOptions,
      shutdownSignal: options.shutdownSignal,
    },
    errorMapping(lifecycle),
    lifecycle,
  );
  const byPath = new Map<string, RpcHandler>();
  for (const [path, { compressing, plain }] of handlers) {
    const { spec, method: description } = methods.get(path) ?? {};
    const unary = spec?.kind === "unary";
    const readOnly = description?.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const method: UniversalMethod = {
      operation: path.slice(1),
      streaming: !unary,
      allow: unary && readOnly ? "GET, POST" : "POST",
      choose: (request, wire) => (isCompressed(request, wire) ? compressing : plain),
    };
    byPath.set(path, handlerOf(method, lifecycle));
  }
  return {
    find: (path) => byPath.get(path),
    unknown: handlerOf(unserved(methods), lifecycle),
    methods,
    lifecycle,
  };
}

function unserved(methods: ReadonlyMap<string, RpcMethod>): UniversalMethod {
  const respond = ({ url }: UniversalServerRequest): Promise<UniversalServerResponse> =>
    Promise.reject(unservedError(new URL(url).pathname, methods));
  return { operation: unknownOperation, streaming: false, allow: "POST", choose: () => respond };
}

function handlerOf(method: UniversalMethod, lifecycle: CallLifecycle): RpcHandler {
  return (request, connection) => new UniversalCall(method, lifecycle, request, connection).serve();
}
