import { Call } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import type { Admission, InboundRequest } from "../../serve/admission.ts";
import { WatchCounter, type WatchLimits } from "./watch-limits.ts";

/** The call of a probe: nobody authenticates, limits or counts it. */
class ProbeCall extends Call {}

/** What {@link withBypass} lets past. */
export interface BypassOptions extends WatchLimits {
  readonly operations: ReadonlySet<string>;
  /** The one of them that stays. */
  readonly watchOperation: string;
  readonly clock: Clock;
}

/**
 * Lets some operations past the chain, as `/healthz` goes past it: probes have no token, must not be limited or
 * shed, may stay for as long as they like, and would only blur the metrics. Of those that stay there is a bound.
 */
export function withBypass(admission: Admission, options: BypassOptions): Admission {
  const { operations, watchOperation, clock } = options;
  const watches = new WatchCounter(options);
  return {
    open(inbound: InboundRequest): Call {
      const { operation, protocol, signal, timeoutMs = Infinity } = inbound;
      if (!operations.has(operation)) return admission.open(inbound);
      const service = operation.slice(0, operation.indexOf("/"));
      const deadline = clock.now() + timeoutMs;
      return new ProbeCall({ side: "server", protocol, service, operation, signal, deadline });
    },
    admit(call, inbound) {
      if (!(call instanceof ProbeCall)) return admission.admit(call, inbound);
      if (call.operation === watchOperation) call.onEnd(watches.take(inbound.connection));
    },
  };
}
