import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import { ignoreRejection, isThenable, reportLost } from "../core/hooks.ts";
import type { Layer, Service } from "../core/service.ts";
import { type RateLimitDecision, RateLimitError } from "../policy/rate-limit.ts";
import type { RateLimiter } from "../policy/rate-limiter.ts";
import type { Security } from "../security/authenticate.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type AddressOf, clientKey } from "./client-key.ts";
import type { InboundRequest, ServedRequest } from "./inbound-request.ts";
import type { ClientLimiters } from "./operation-limits.ts";
import type { ServerCall } from "./server-call.ts";
import type { ServerState } from "./server-options.ts";

/** The server's own layers, which know what a request is. */
type RequestLayer = Layer<ServedRequest, unknown>;

/** What is innermost: the request's own handler, unless its call has ended while it waited. */
export const handling: Service<ServedRequest, unknown> = (call, request) => {
  if (call.outcome !== undefined) {
    throw call.reason ?? new MeshError("ERR_CANCELLED", "The call has ended before its handler could run");
  }
  const served = call as ServerCall;
  if (served.handled) {
    // Its body has been read; the handler would be given an empty one.
    throw new TypeError(
      `Cannot serve ${request.operation} twice: a layer called the next one again; call it once for each request`,
    );
  }
  served.handled = true;
  return request.handle(call);
};

/** Where the adapter turns what comes out, response or error, into a response of its protocol. */
export const responding: RequestLayer = (next) => (call, request) => request.respond(call, next);

/** Requests that the adapter responds to by itself go past what is inside. */
export const exempting: RequestLayer = (next) => (call, request) =>
  request.exempt === true ? handling(call, request) : next(call, request);

/** Counts what is thrown before the handler was reached. Metrics may fail: that must not keep a request from its end. */
export function countRefusals(metrics: Pick<Metrics, "rejected">): RequestLayer {
  function count(call: Call, error: unknown): void {
    if ((call as ServerCall).handled) return;
    try {
      metrics.rejected(outcomeOfMeshError(error)?.status ?? "error");
    } catch (failure) {
      reportLost("Counting a refusal", failure);
    }
  }

  return (next) =>
    function countedRefusals(call, request) {
      try {
        const result = next(call, request);
        if (!(result instanceof Promise) || (call as ServerCall).handled) return result;
        return result.catch((error: unknown) => {
          count(call, error);
          throw error;
        });
      } catch (error) {
        count(call, error);
        throw error;
      }
    };
}

/** Refuses everything once `closed` says so. */
export function refuseWhen(closed: () => boolean): RequestLayer {
  return (next) =>
    function open(call, request) {
      if (!closed()) return next(call, request);
      const error = new MeshError("ERR_SHUTTING_DOWN", "The service is shutting down; try another endpoint");
      call.note?.({ type: "refused", error });
      throw error;
    };
}

/** Finds out who calls, and whether that one may. */
export function secured(security: Security): RequestLayer {
  return (next) => {
    function enter(call: Call, request: ServedRequest): unknown {
      call.note?.({ type: "authenticated", principal: call.principal });
      return next(call, request);
    }

    return function authenticated(call, request) {
      const late = security(call, request.headers, request.connection.peer);
      return late === undefined ? enter(call, request) : late.then(() => enter(call, request));
    };
  };
}

/** How a refusal calls the caller. Not by the address: where there is a proxy, that one is its. */
function nameOf({ principal }: Call): string {
  if (principal === undefined) return "this address";
  const { id } = principal;
  return JSON.stringify(id.length > maxIdLength ? `${id.slice(0, maxIdLength)}…` : id);
}

const maxIdLength = 100;

type Decide = (call: Call, request: InboundRequest) => RateLimitDecision | undefined;

/**
 * Takes each request out of an allowance. Not a `Limiter`: whose allowance it is, the connection says, not the call.
 *
 * @param option - the one that sets it, for the refusal
 */
function rateLimited(option: string, decide: Decide, clientOf: (call: Call) => string): RequestLayer {
  return (next) =>
    function limitedRate(call, request) {
      const decision = decide(call, request);
      if (decision === undefined || decision.allowed) return next(call, request);
      const error = new RateLimitError(decision, { client: clientOf(call), option });
      call.note?.({ type: "refused", error });
      throw error;
    };
}

/** Bounds what each address may ask, whoever calls from there. */
export function addressLimited(limiter: RateLimiter, addressOf: AddressOf): RequestLayer {
  return rateLimited("server.peerLimit", (_, request) => limiter.take(clientKey(addressOf(request))), nameOf);
}

/** Bounds what each client may ask, by the limit that `option` sets. */
export function clientLimited(option: string, state: ServerState, limiters: ClientLimiters): RequestLayer {
  const clientOf = state.clientKey === undefined ? nameOf : () => "this client";
  return rateLimited(option, clientLimit(state, limiters), clientOf);
}

/** Takes a request out of the allowance of its client. */
function clientLimit({ clientKey: keyOf, addressOf }: ServerState, limiters: ClientLimiters): Decide {
  return function take(call, request) {
    const key = keyOf?.(call, request);
    if (key !== undefined) {
      if (!isThenable(key)) return limiters.custom.take(String(key));
      // All would share one allowance, and one that rejects would end the process.
      ignoreRejection(key);
      throw new TypeError(
        `Cannot limit ${call.operation}: clientKey returned a promise; return the key at once`,
      );
    }
    const { principal } = call;
    if (principal === undefined) return limiters.address.take(clientKey(addressOf(request)));
    return (principal.kind === "peer" ? limiters.peer : limiters.token)?.take(principal.id);
  };
}
