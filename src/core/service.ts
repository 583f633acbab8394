import { Call, type CallInit } from "./call.ts";
import { type Classifier, defaultClassifier, pending } from "./classifier.ts";

/** One exchange: a call and its request in, the response out. */
export type Service<Req, Res> = (call: Call, request: Req) => Promise<Res>;

/** Wraps a service with one concern; the same layer serves client and server, REST and RPC. */
export type Layer<Req = unknown, Res = unknown> = (next: Service<Req, Res>) => Service<Req, Res>;

/**
 * A layer that looks at neither request nor response, and so fits any of them.
 *
 * @typeParam Req - left to the service it wraps
 */
export type AnyLayer = <Req, Res>(next: Service<Req, Res>) => Service<Req, Res>;

/** Joins layers into one; the first listed is the outermost. */
export function compose(...layers: readonly AnyLayer[]): AnyLayer;
export function compose<Req, Res>(...layers: readonly Layer<Req, Res>[]): Layer<Req, Res>;
export function compose<Req, Res>(...layers: readonly Layer<Req, Res>[]): Layer<Req, Res> {
  return (next) => layers.reduceRight((inner, layer) => layer(inner), next);
}

/** Options of {@link protect}, and of one call of a protected function. */
export interface ProtectOptions
  extends Partial<
    Pick<CallInit, "service" | "operation" | "idempotency" | "deadline" | "signal" | "parent">
  > {
  /** Tells which results are streams: those end their call themselves. @default defaultClassifier */
  readonly classifier?: Classifier;
}

/**
 * Puts layers around any function of one argument, so that each policy can be used alone.
 *
 * The function may be repeated (`idempotency: "idempotent"`) unless the options say otherwise: who wraps
 * it in a retry says so. It receives the {@link Call} too, for its signal and its deadline. The call ends
 * with the result, so that nothing of it stays behind on a long-lived signal.
 *
 * @example
 * ```ts
 * const load = protect(compose(retry(), circuitBreaker()), (id: string) => database.load(id));
 * const row = await load("42");
 * ```
 */
export function protect<Req, Res>(
  layer: Layer<Req, Res> | AnyLayer,
  run: (request: Req, call: Call) => Promise<Res> | Res,
  options: ProtectOptions = {},
): (request: Req, options?: ProtectOptions) => Promise<Res> {
  const service = (layer as Layer<Req, Res>)(async (call, request) => run(request, call));
  const { classifier = defaultClassifier } = options;
  const init: CallInit = {
    side: "client",
    protocol: "local",
    ...options,
    service: options.service ?? "local",
    operation: options.operation ?? (run.name || "function"),
    idempotency: options.idempotency ?? "idempotent",
  };
  return async (request, each) => {
    const call = new Call(each === undefined ? init : { ...init, ...each });
    try {
      const response = await service(call, request);
      const verdict = classifier.response(call, response);
      if (verdict !== pending) call.end(verdict);
      return response;
    } catch (error) {
      call.end(classifier.error(call, error));
      throw error;
    }
  };
}
