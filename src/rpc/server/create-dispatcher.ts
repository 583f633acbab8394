import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type {
  Compression,
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { Call } from "../../core/call.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Admission, InboundRequest } from "../../serve/admission.ts";
import { defaultMaxMessageBytes } from "../client/fetch-rpc-transport.ts";
import { dialectOf, isCompressed, type RpcDialect } from "../dialect/rpc-dialect.ts";
import { readTimeout } from "../dialect/timeout-header.ts";
import { gzip } from "../message/gzip.ts";
import { createCallLifecycle } from "./call-lifecycle.ts";
import { connectRequest } from "./connect-request.ts";
import {
  type CallLifecycle,
  type ResponseCompression,
  type RpcDispatcher,
  type RpcHandler,
  unknownOperation,
} from "./dispatcher.ts";
import { errorMapping } from "./error-mapping.ts";
import { collectRoutes } from "./method-router.ts";
import type { ServedCall } from "./response-body.ts";
import type { RpcRouter } from "./router.ts";
import { refusal, responseOf } from "./served-response.ts";

/** Options of {@link createDispatcher}. */
export interface DispatcherOptions {
  /** Registers the services, on Connect's own router. */
  readonly routes: (router: RpcRouter) => void;
  /** The protocol-neutral chain: security, limits, metrics. */
  readonly admission: Admission;
  /** Connect interceptors of every service that brings none of its own, inside the mesh's chain. */
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
   * Which answers are compressed, in every protocol alike: those to requests that came compressed (as grpc-go has it),
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
 * Puts the mesh chain around Connect's router: every call is opened, admitted before anything of its body is
 * read, run inside its context with a deadline that holds, and ended once with the status at its end.
 *
 * @example
 * ```ts
 * const dispatcher = createDispatcher({ admission, routes: (router) => router.service(EchoService, echo) });
 * const response = await dispatcher.find("/echo.v1.EchoService/Echo")?.(request, connection);
 * ```
 */
export function createDispatcher(options: DispatcherOptions): RpcDispatcher {
  const { admission, clock = systemClock, maxTimeoutMs = Infinity } = options;
  const maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes;
  const gate = createCallLifecycle({
    admission,
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
    errorMapping(gate),
    gate,
  );
  const byPath = new Map<string, RpcHandler>();
  for (const [path, { compressing, plain }] of handlers) {
    const choose: Choose = (request, wire) => (isCompressed(request, wire) ? compressing : plain);
    byPath.set(path, handlerOf(gate, path.slice(1), choose));
  }
  return {
    find: (path) => byPath.get(path),
    unknown: handlerOf(gate, unknownOperation, () => unimplemented),
    methods,
    gate,
  };
}

type Choose = (request: UniversalServerRequest, wire: RpcDialect) => Invoke;
type Invoke = UniversalHandler | ((request: UniversalServerRequest) => Promise<UniversalServerResponse>);

function unimplemented(): Promise<UniversalServerResponse> {
  return Promise.reject(new ConnectError("no such method is served here", Code.Unimplemented));
}

function handlerOf(gate: CallLifecycle, operation: string, choose: Choose): RpcHandler {
  return function handleRpc(request, connection) {
    const header = request.header;
    const wire = dialectOf(header.get("content-type"));
    const timeoutMs = readTimeout(wire.protocol, header);
    const inbound: InboundRequest = {
      protocol: wire.protocol,
      operation,
      headers: header,
      connection,
      // On some platforms merely looking at it makes one.
      get signal() {
        return request.signal;
      },
      // A malformed one is refused by Connect, in the protocol's own words.
      timeoutMs: Number.isNaN(timeoutMs) ? undefined : timeoutMs,
    };
    const call = gate.open(inbound);
    let admitted: void | Promise<void>;
    try {
      admitted = gate.admit(call, inbound);
    } catch (error) {
      return Promise.resolve(refusal(gate, call, wire, error));
    }
    const served: ServedCall = { call, wire, failure: undefined };
    const serve = (): Promise<UniversalServerResponse> =>
      gate.run(call, () => choose(request, wire)(connectRequest(request, served, timeoutMs)));
    if (admitted === undefined) return responseOf(served, gate, serve);
    const late = admitted;
    // Nobody waits for it when the client has gone already.
    late.catch(() => {});
    return responseOf(served, gate, async () => {
      await late;
      // It may have taken longer than the call had.
      call.throwIfCancelled();
      return serve();
    });
  };
}
