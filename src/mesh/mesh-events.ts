import type { EndpointRegistryOptions } from "../balance/endpoint-registry.ts";
import type { Call, CallEventListener } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { MeshEvent } from "../core/events.ts";
import { quietHook, reportLate, reportLost } from "../core/hooks.ts";
import { checkFunction } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import type { ListenOptions } from "../net/port.ts";
import type { Lifecycle } from "../serve/lifecycle.ts";
import { type AccessLog, accessLog } from "../telemetry/access-log.ts";
import { eventLog } from "../telemetry/event-log.ts";
import { Log } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { MeshOptions } from "./options.ts";

/** Tells of an event; never throws. */
export type Tell = (event: MeshEvent, call?: Call) => void;

/** Who is told what of a mesh. */
export interface MeshEvents {
  /** For what is decided about calls; undefined when nobody listens. */
  readonly onCallEvent: CallEventListener | undefined;
  /** For what belongs to no call; undefined when nobody listens. */
  readonly tell: Tell | undefined;
  /** For what callers are told nothing of; never throws. */
  readonly onError: (error: unknown, call: Call | undefined) => void;
  /** For options that were refused while the mesh runs; never throws. */
  readonly onRefused: (options: "policies" | "server", error: unknown) => void;
  /** Undefined when there is none. */
  readonly accessLog: AccessLog | undefined;
  /** The same as `onError`, with another hook in the place of the mesh's. */
  withHook<C extends Call | undefined>(
    hook: (error: unknown, call: C) => void,
  ): (error: unknown, call: C) => void;
}

function reportError(error: unknown, call: Call | undefined): void {
  const what = call === undefined ? "A request" : `${call.operation} (request ${call.requestId})`;
  // biome-ignore lint/suspicious/noConsole: the error goes nowhere else, and nobody must lose it unasked
  console.error(`${what} failed:`, error);
}

function logFrom(who: string, { logger, logging }: Pick<MeshOptions, "logger" | "logging">): Log | undefined {
  if (logger !== undefined) return new Log(who, logger, logging);
  if (logging === undefined) return undefined;
  throw new TypeError(`Cannot make ${who}: logging is given without a logger; pass logger, such as pino()`);
}

/**
 * Joins the listener, the logger and the error hook of a mesh.
 *
 * @throws TypeError | RangeError when one of them has the wrong type, or an option of the logger makes no sense
 */
export function meshEvents(
  who: string,
  options: Pick<MeshOptions, "onEvent" | "onError" | "logger" | "logging">,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): MeshEvents {
  const onEvent = checkFunction(who, "onEvent", options.onEvent);
  const log = logFrom(who, options);
  const writes = log && eventLog(log);
  const given = checkFunction(who, "onError", options.onError);
  const hook = quietHook(given ?? (log === undefined ? reportError : () => {}));

  function both(event: MeshEvent, call: Call | undefined): unknown {
    writes?.(event, call);
    return onEvent?.(event, call);
  }

  function tell(event: MeshEvent, call?: Call): void {
    try {
      reportLate("A listener of events", both(event, call));
    } catch (error) {
      reportLost("A listener of events", error);
    }
  }

  const silent = onEvent === undefined && log === undefined;
  function withHook<C extends Call | undefined>(
    each: (error: unknown, call: C) => void,
  ): (error: unknown, call: C) => void {
    if (silent) return each;
    return (error, call) => {
      tell({ type: "error", error }, call);
      each(error, call);
    };
  }

  return {
    // Whoever listens to nothing of a call does not make calls note anything.
    onCallEvent: onEvent === undefined && log?.writes("debug") !== true ? undefined : both,
    tell: silent ? undefined : tell,
    onError: withHook(hook),
    onRefused(refused, error) {
      if (!silent) tell({ type: "update-refused", options: refused, error });
      hook(error, undefined);
    },
    accessLog: log?.access && accessLog(log, log.access, { clock, random }),
    withHook,
  };
}

/** What a registry of endpoints tells. */
export function registryEvents(
  tell: Tell | undefined,
): Pick<EndpointRegistryOptions, "onBreakerChange" | "onEndpoint"> {
  if (tell === undefined) return {};
  return {
    onBreakerChange({ service, origin, to }) {
      const type =
        to === "open" ? "breaker-opened" : to === "closed" ? "breaker-closed" : "breaker-half-open";
      tell({ type, service, origin });
    },
    onEndpoint: (service, origin, up) =>
      tell({ type: up ? "endpoint-up" : "endpoint-down", service, origin }),
  };
}

/** What a listener tells. */
export function listenerEvents(
  tell: Tell | undefined,
  metrics: Metrics,
): Pick<ListenOptions, "onConnectionError" | "onConnection" | "onRequestRefused"> {
  const counted = (kind: string): void => metrics.connectionError(kind);
  if (tell === undefined) return { onConnectionError: counted };
  return {
    onConnectionError(kind, error, remote) {
      counted(kind);
      if (kind === "tls") tell({ type: "tls-failed", side: "server", remote, error });
      else tell({ type: "connection-failed", side: "server", remote, reason: kind, error });
    },
    onConnection: tell,
    onRequestRefused: (remote, method, status) => tell({ type: "request-refused", remote, method, status }),
  };
}

/** The same lifecycle, which tells when its drain begins and ends. */
export function drainEvents(
  tell: Tell | undefined,
  clock: Clock,
  lifecycle: Lifecycle,
  server: { readonly port: number; readonly inFlight: number },
): Lifecycle {
  if (tell === undefined) return lifecycle;
  const { closed } = lifecycle;
  const { port } = server;
  return {
    get closing() {
      return lifecycle.closing;
    },
    closed,
    close(how) {
      if (lifecycle.closing) return lifecycle.close(how);
      const startedAt = clock.now();
      tell({ type: "drain-started", port, inFlight: server.inFlight });
      // Resolves whatever happens.
      void closed.then(() => tell({ type: "drain-ended", port, durationMs: clock.now() - startedAt }));
      return lifecycle.close(how);
    },
  };
}
