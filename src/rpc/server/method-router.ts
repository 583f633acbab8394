import {
  type ConnectRouterOptions,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { meshCall } from "../context.ts";
import { operationOf } from "../dialect/call-headers.ts";
import { safeInterceptor, safeStream } from "../safe-interceptor.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";
import type { RpcMethod, RpcMethodOptions } from "./dispatcher.ts";
import type { RpcRouter } from "./router.ts";

/** Connect's handlers of one method. */
export interface RouteHandlers {
  /** Compresses its responses where the client accepts it. */
  readonly compressing: UniversalHandler;
  /** Compresses none. */
  readonly plain: UniversalHandler;
}

/** What {@link collectRoutes} found. */
export interface CollectedRoutes {
  readonly handlers: ReadonlyMap<string, RouteHandlers>;
  readonly methods: ReadonlyMap<string, RpcMethod>;
}

/** The dispatcher's own options, complete. */
export interface RouteDefaults extends Omit<RpcMethodOptions, "grpc"> {
  readonly interceptors: readonly Interceptor[];
}

type RouteOptions = Partial<ConnectRouterOptions>;

/**
 * Runs a `routes` function against Connect's own router, and notes what it registers.
 *
 * `outermost` goes around the interceptors of every method, also around those of a service that brings its own
 * and so replaces the router's.
 */
export function collectRoutes(
  routes: (router: RpcRouter) => void,
  defaults: RouteDefaults,
  outermost: Interceptor,
  lifecycle: Pick<CallLifecycle, "timeLeft">,
): CollectedRoutes {
  const { interceptors, ...common } = defaults;
  const connectOptions = {
    ...definedOnly(common),
    interceptors: [outermost, ...interceptors.map(safeInterceptor)],
  };
  const inner = createConnectRouter(connectOptions);
  const plain =
    common.responseCompression === "accepted"
      ? inner
      : createConnectRouter({ ...connectOptions, ...uncompressed });
  const methods = new Map<string, RpcMethod>();

  function note(spec: MethodImplSpec, options: RouteOptions | undefined): void {
    const operation = operationOf(spec.method);
    methods.set(`/${operation}`, {
      path: `/${operation}`,
      operation,
      method: spec.method,
      spec,
      interceptors: options?.interceptors ?? interceptors,
      options: effectiveOptions(common, options),
    });
  }

  function around(options: RouteOptions | undefined): RouteOptions | undefined {
    if (options === undefined) return undefined;
    // Connect would refuse a longer timeout; here it is clamped before Connect sees it.
    const { maxTimeoutMs: _clamped, ...rest } = options;
    return options.interceptors === undefined
      ? rest
      : { ...rest, interceptors: [outermost, ...options.interceptors.map(safeInterceptor)] };
  }

  function register(spec: MethodImplSpec, options: RouteOptions | undefined): void {
    const streams = spec.kind === "server_streaming" || spec.kind === "bidi_streaming";
    const own = streams ? safeStream(spec.impl as AnyImpl) : (spec.impl as AnyImpl);
    // Connect types implementations by their method, which is not known here.
    const impl = timedByCall(own, lifecycle) as never;
    const each = around(options);
    inner.rpc(spec.method, impl, each);
    if (plain !== inner) plain.rpc(spec.method, impl, each && { ...each, ...uncompressed });
    note(spec, options);
  }

  const router: RpcRouter = {
    handlers: inner.handlers,
    service(service, implementation, options) {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
        register(spec, options);
      }
      return router;
    },
    rpc(method, implementation, options) {
      register(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  routes(router);
  const handlers = inner.handlers.map((compressing, index): [string, RouteHandlers] => [
    compressing.requestPath,
    { compressing, plain: plain.handlers[index] as UniversalHandler },
  ]);
  return { handlers: new Map(handlers), methods };
}

/** No message is so large. */
const uncompressed = { compressMinBytes: Infinity };

type AnyImpl = (input: unknown, context: HandlerContext) => unknown;

/** Connect knows of no deadline (see `connectRequest`): the context's remaining time is that of the call. */
function timedByCall(impl: AnyImpl, lifecycle: Pick<CallLifecycle, "timeLeft">): AnyImpl {
  return function timed(input, context) {
    const call = context.values.get(meshCall);
    if (call !== undefined && call.deadline !== Infinity) {
      const timeoutMs = (): number | undefined => lifecycle.timeLeft(call);
      // Each invocation has a context of its own.
      (context as { timeoutMs: HandlerContext["timeoutMs"] }).timeoutMs = timeoutMs;
    }
    return impl(input, context);
  };
}

function effectiveOptions(
  defaults: Omit<RpcMethodOptions, "grpc">,
  own: RouteOptions | undefined,
): RpcMethodOptions {
  return {
    acceptCompression: own?.acceptCompression ?? defaults.acceptCompression,
    compressMinBytes: own?.compressMinBytes ?? defaults.compressMinBytes,
    responseCompression: defaults.responseCompression,
    readMaxBytes: own?.readMaxBytes ?? defaults.readMaxBytes,
    writeMaxBytes: own?.writeMaxBytes ?? defaults.writeMaxBytes,
    jsonOptions: own?.jsonOptions ?? defaults.jsonOptions,
    binaryOptions: own?.binaryOptions ?? defaults.binaryOptions,
    shutdownSignal: own?.shutdownSignal ?? defaults.shutdownSignal,
    grpc: own?.grpc !== false,
  };
}

/** Connect takes an option that is `undefined` for one that is set. */
function definedOnly(options: Omit<RpcMethodOptions, "grpc">): RouteOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
