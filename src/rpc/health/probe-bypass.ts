import type { Call } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { compose, type Layer, type Service } from "../../core/service.ts";
import { timeout } from "../../policy/timeout.ts";
import type { ServedRequest } from "../../serve/inbound-request.ts";
import type { RequestPipeline } from "../../serve/request-pipeline.ts";
import { ServerCall } from "../../serve/server-call.ts";
import { handling, responding } from "../../serve/server-layers.ts";
import { WatchCounter, type WatchLimits } from "./watch-limits.ts";

/** The call of a probe: nobody authenticates, limits or counts it. */
class ProbeCall extends ServerCall {}

/** What {@link withBypass} lets past. */
export interface BypassOptions extends WatchLimits {
  readonly operations: ReadonlySet<string>;
  /** The one of them that stays. */
  readonly watchOperation: string;
  readonly clock: Clock;
}

/**
 * Lets some operations past the server's layers, as `/healthz` goes past them: probes have no token, must not be limited
 * or shed, may stay for as long as they like, and would only blur the metrics. Of those that stay there is a bound.
 */
export function withBypass(pipeline: RequestPipeline, options: BypassOptions): RequestPipeline {
  const { operations, watchOperation, clock } = options;
  const watches = new WatchCounter(options);
  const counted: Layer<ServedRequest, unknown> = (next) => (call, request) => {
    if (call.operation === watchOperation) call.onEnd(watches.take(request.connection));
    return next(call, request);
  };
  const layers: Layer<ServedRequest, unknown>[] = [
    timeout({ timeoutMs: Infinity, clock }),
    responding,
    counted,
  ];
  const probe: Service<ServedRequest, unknown> = compose(...layers)(handling);
  return {
    open(inbound) {
      const { operation, protocol, timeoutMs = Infinity } = inbound;
      if (!operations.has(operation)) return pipeline.open(inbound);
      const service = operation.slice(0, operation.indexOf("/"));
      const startedAt = clock.now();
      const deadline = startedAt + timeoutMs;
      return new ProbeCall({ side: "server", protocol, service, operation, deadline, startedAt }, inbound);
    },
    serve<Res>(call: Call, request: ServedRequest<Res>): Res | Promise<Res> {
      if (!(call instanceof ProbeCall)) return pipeline.serve(call, request);
      // The layers pass on what the request's own methods return.
      return probe(call, request as ServedRequest) as Res | Promise<Res>;
    },
    close: () => pipeline.close(),
    get cors() {
      return pipeline.cors;
    },
    get inFlight() {
      return pipeline.inFlight;
    },
  };
}
