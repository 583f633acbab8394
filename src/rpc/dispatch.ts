import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import type {
  Compression,
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { Call } from "../core/call.ts";
import { outcomeOfCancelledCall, outcomeOfMeshError } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Admission, Arrival } from "../server/admission.ts";
import { outcomeOfCode } from "./classifier.ts";
import { meshCall } from "./context.ts";
import type { RpcDispatcher, RpcGate, RpcHandler } from "./dispatcher.ts";
import { errorMapping, servedCall } from "./error-mapping.ts";
import { errorResponse } from "./error-response.ts";
import { wireError } from "./errors.ts";
import { defaultMaxMessageBytes } from "./fetch-rpc-leaf.ts";
import { createGate } from "./gate.ts";
import { guardResponse, type ServedCall } from "./guarded-response.ts";
import { gzip } from "./gzip.ts";
import { collectRoutes } from "./method-router.ts";
import { formatTimeout, readTimeout, timeoutHeader } from "./timeout.ts";
import { type RpcWire, wireOf } from "./wire.ts";

/** Options of {@link createDispatcher}. */
export interface DispatcherOptions {
  /** Registers the services, on Connect's own router. */
  readonly routes: (router: ConnectRouter) => void;
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
  const gate = createGate({
    admission,
    clock,
    maxTimeoutMs,
    asyncContext: options.asyncContext,
    onError: options.onError,
  });
  const { handlers, methods } = collectRoutes(
    options.routes,
    {
      interceptors: options.interceptors ?? [],
      acceptCompression: [...(options.acceptCompression ?? [gzip])],
      compressMinBytes: options.compressMinBytes ?? 1024,
      readMaxBytes: maxMessageBytes,
      writeMaxBytes: maxMessageBytes,
      jsonOptions: options.jsonOptions,
      binaryOptions: options.binaryOptions,
      shutdownSignal: options.shutdownSignal,
    },
    errorMapping(gate),
  );
  const server: RpcServer = { gate, clock };
  const byPath = new Map<string, RpcHandler>();
  for (const [path, handler] of handlers) byPath.set(path, handlerOf(server, path.slice(1), handler));
  return {
    find: (path) => byPath.get(path),
    unknown: handlerOf(server, "unknown", unimplemented),
    methods,
    gate,
  };
}

interface RpcServer {
  readonly gate: RpcGate;
  readonly clock: Clock;
}

type Invoke = UniversalHandler | ((request: UniversalServerRequest) => Promise<UniversalServerResponse>);

function unimplemented(): Promise<UniversalServerResponse> {
  return Promise.reject(new ConnectError("no such method is served here", Code.Unimplemented));
}

function handlerOf(server: RpcServer, operation: string, invoke: Invoke): RpcHandler {
  const { gate } = server;
  return function handleRpc(request, connection) {
    const header = request.header;
    const wire = wireOf(header.get("content-type"));
    const timeoutMs = readTimeout(wire.protocol, header);
    const arrival: Arrival = {
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
    const call = gate.open(arrival);
    let admitted: void | Promise<void>;
    try {
      admitted = gate.admit(call, arrival);
    } catch (error) {
      return Promise.resolve(refusal(gate, call, wire, error));
    }
    const served: ServedCall = { call, wire, failure: undefined };
    const serve = (): Promise<UniversalServerResponse> =>
      gate.run(call, () => invoke(connectRequest(server, request, served, !Number.isNaN(timeoutMs))));
    if (admitted === undefined) return answerOf(served, gate, serve);
    const late = admitted;
    // Nobody waits for it when the client has gone already.
    late.catch(() => {});
    return answerOf(served, gate, async () => {
      await late;
      // It may have taken longer than the call had.
      call.throwIfCancelled();
      return serve();
    });
  };
}

/** Waits for the response, or for the end of the call if that comes first: a handler need not listen to its signal. */
function answerOf(
  served: ServedCall,
  gate: RpcGate,
  serve: () => Promise<UniversalServerResponse>,
): Promise<UniversalServerResponse> {
  const { call, wire } = served;
  return new Promise((resolve) => {
    let open = true;
    const detach = call.onCancel((reason) => {
      open = false;
      const error = wireError(call, reason);
      call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
      resolve(errorResponse(wire, error));
    });
    if (!open) return;
    serve().then(
      (response) => {
        if (!open) {
          dispose(response);
          return;
        }
        detach();
        resolve(guardResponse(response, served, gate));
      },
      (error: unknown) => {
        if (!open) return;
        detach();
        resolve(refusal(gate, call, wire, error));
      },
    );
  });
}

function refusal(gate: RpcGate, call: Call, wire: RpcWire, thrown: unknown): UniversalServerResponse {
  const error = gate.errorFor(call, thrown);
  call.end(outcomeOfCancelledCall(call) ?? outcomeOfMeshError(thrown) ?? outcomeOfCode(error.code));
  return errorResponse(wire, error);
}

function dispose(response: UniversalServerResponse): void {
  const iterator = response.body?.[Symbol.asyncIterator]();
  (iterator?.throw?.(new ConnectError("the call has ended", Code.Canceled)) ?? iterator?.return?.())?.catch(
    () => {},
  );
}

function connectRequest(
  server: RpcServer,
  request: UniversalServerRequest,
  served: ServedCall,
  writeTimeout: boolean,
): UniversalServerRequest {
  const { call } = served;
  const contextValues = request.contextValues ?? createContextValues();
  contextValues.set(meshCall, call).set(servedCall, served);
  return {
    httpVersion: request.httpVersion,
    method: request.method,
    url: request.url,
    header: writeTimeout ? withTimeout(request.header, served.wire, call, server.clock) : request.header,
    body: request.body,
    signal: call.signal,
    contextValues,
  };
}

/** The headers with the time that really remains, which `context.timeoutMs()` then tells the handler. */
function withTimeout(header: Headers, wire: RpcWire, call: Call, clock: Clock): Headers {
  const name = timeoutHeader(wire.protocol);
  const value =
    call.deadline === Infinity ? undefined : formatTimeout(wire.protocol, call.deadline - clock.now());
  if (value === undefined) return header;
  try {
    header.set(name, value);
    return header;
  } catch {
    // The headers of a fetch request may be immutable.
    const copy = new Headers(header);
    copy.set(name, value);
    return copy;
  }
}
