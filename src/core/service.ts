import { Call, type CallInit } from "./call.ts";
import { type Classifier, defaultClassifier, endWithError, pending } from "./classifier.ts";
import { checkFunction, checkFunctions } from "./options.ts";

/**
 * One exchange: a call and its request in, the response out; at once, where nothing on the way has to wait.
 *
 * The response may still be under way when it is handed out: the call ends with its body or stream (see `Call.onEnd`).
 */
export type Service<Req, Res> = (call: Call, request: Req) => Res | Promise<Res>;

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
  checkFunctions("compose()", "its layers", layers);
  return (next) => layers.reduceRight((inner, layer) => layer(inner), next);
}

/** Options of {@link protect}, and of one call of a protected function. */
export interface ProtectOptions
  extends Partial<
    Pick<CallInit, "service" | "operation" | "idempotency" | "deadline" | "signal" | "parent">
  > {
  /** States how a call ended, from what the function returned or threw. @default defaultClassifier */
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
  checkFunction("protect()", "layer", layer);
  checkFunction("protect()", "run", run);
  const { classifier = defaultClassifier } = options;
  /** What a transport does for a protocol: states how each attempt ended. */
  async function attempt(call: Call, request: Req): Promise<Res> {
    try {
      const response = await run(request, call);
      const outcome = classifier.response(call, response);
      if (outcome !== pending) call.end(outcome);
      return response;
    } catch (error) {
      call.end(classifier.error(call, error));
      throw error;
    }
  }
  const service = (layer as Layer<Req, Res>)(attempt);
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
      return await service(call, request);
    } catch (error) {
      endWithError(call, error);
      throw error;
    }
  };
}
