import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectRouterOptions, Interceptor } from "@connectrpc/connect";
import type { RpcRouter } from "./router.ts";

/** Checks request messages before a handler sees them; `protovalidate()` of `@datapunk/mesh/validate` is one. */
export interface RpcValidation {
  /** Whether there is anything to check; methods without rules pay nothing. */
  appliesTo(method: DescMethod): boolean;
  /** Fails with `invalid_argument` for a message that breaks the rules. */
  readonly interceptor: Interceptor;
}

/**
 * The routes with the validation outermost around each service that has rules, also around those that bring their
 * own interceptors, which in Connect replace the router's.
 */
export function withValidation(
  routes: (router: RpcRouter) => void,
  validation: RpcValidation,
  interceptors: readonly Interceptor[],
): (router: RpcRouter) => void {
  const { interceptor } = validation;

  function around(
    options: Partial<ConnectRouterOptions> | undefined,
    methods: readonly DescMethod[],
  ): Partial<ConnectRouterOptions> | undefined {
    if (!methods.some((method) => validation.appliesTo(method))) return options;
    return { ...options, interceptors: [interceptor, ...(options?.interceptors ?? interceptors)] };
  }

  return function validatedRoutes(inner) {
    const router: RpcRouter = {
      handlers: inner.handlers,
      service(service, implementation, options) {
        inner.service(service, implementation, around(options, service.methods));
        return router;
      },
      rpc(method, implementation, options) {
        inner.rpc(method, implementation, around(options, [method]));
        return router;
      },
    };
    routes(router);
  };
}
