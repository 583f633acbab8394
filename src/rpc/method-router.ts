import type { DescMethod } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type Interceptor,
  type MethodImplSpec,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { RpcMethod, RpcMethodOptions } from "./dispatcher.ts";

/** What {@link collectRoutes} found. */
export interface CollectedRoutes {
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
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
  routes: (router: ConnectRouter) => void,
  defaults: RouteDefaults,
  outermost: Interceptor,
): CollectedRoutes {
  const { interceptors, ...plain } = defaults;
  const inner = createConnectRouter({
    ...definedOnly(plain),
    interceptors: [outermost, ...interceptors],
  });
  const methods = new Map<string, RpcMethod>();

  function note(spec: MethodImplSpec, options: RouteOptions | undefined): void {
    const operation = operationOf(spec.method);
    methods.set(`/${operation}`, {
      path: `/${operation}`,
      operation,
      method: spec.method,
      spec,
      interceptors: options?.interceptors ?? interceptors,
      options: effectiveOptions(plain, options),
    });
  }

  function around(options: RouteOptions | undefined): RouteOptions | undefined {
    if (options === undefined) return undefined;
    // Connect would refuse a longer timeout; here it is clamped before Connect sees it.
    const { maxTimeoutMs: _clamped, ...rest } = options;
    return options.interceptors === undefined
      ? rest
      : { ...rest, interceptors: [outermost, ...options.interceptors] };
  }

  const router: ConnectRouter = {
    handlers: inner.handlers,
    service(service, implementation, options) {
      inner.service(service, implementation, around(options));
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
        note(spec, options);
      }
      return router;
    },
    rpc(method, implementation, options) {
      inner.rpc(method, implementation, around(options));
      note(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  routes(router);
  return { handlers: new Map(inner.handlers.map((handler) => [handler.requestPath, handler])), methods };
}

const operations = new WeakMap<DescMethod, string>();

/** `package.Service/Method` */
export function operationOf(method: DescMethod): string {
  let operation = operations.get(method);
  if (operation === undefined) {
    operation = `${method.parent.typeName}/${method.name}`;
    operations.set(method, operation);
  }
  return operation;
}

function effectiveOptions(
  defaults: Omit<RpcMethodOptions, "grpc">,
  own: RouteOptions | undefined,
): RpcMethodOptions {
  return {
    acceptCompression: own?.acceptCompression ?? defaults.acceptCompression,
    compressMinBytes: own?.compressMinBytes ?? defaults.compressMinBytes,
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
