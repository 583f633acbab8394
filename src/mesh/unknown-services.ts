import { unknownService } from "../balance/endpoint-layer.ts";
import type { Call } from "../core/call.ts";
import type { Layer, Service } from "../core/service.ts";
import { Refusals } from "../policy/refusals.ts";
import type { PipelineParts } from "./pipeline.ts";

/** What metrics call a service that discovery does not know. */
const unknownLabel = "unknown";

/**
 * Refuses calls to services that discovery does not know, without keeping anything for their names: whoever can choose
 * them (a gateway's caller, by a path) could fill the memory with pipelines and the metrics with series.
 */
export class UnknownServices {
  readonly #parts: Pick<PipelineParts, "discovery" | "metrics" | "clock">;
  readonly #refusals: Refusals;

  constructor(parts: Pick<PipelineParts, "discovery" | "metrics" | "clock">) {
    this.#parts = parts;
    this.#refusals = new Refusals(parts.clock);
  }

  /** Whether discovery knows the service now. */
  knows(service: string): boolean {
    return this.#parts.discovery.endpoints(service) !== undefined;
  }

  /** A service that sends what `known` makes as soon as discovery knows the name, and refuses until then. */
  until<Req, Res>(service: string, known: () => Service<Req, Res>): Service<Req, Res> {
    return (call, request) => (this.knows(service) ? known()(call, request) : this.#refuse(call));
  }

  /** The same for a layer, which is kept once it is made. */
  layerUntil(service: string, known: () => Layer): Layer {
    return (next) => {
      let made: Service<unknown, unknown> | undefined;
      return this.until(service, () => {
        made ??= known()(next);
        return made;
      });
    };
  }

  #refuse(call: Call): Promise<never> {
    const { discovery, metrics } = this.#parts;
    metrics.clientStarted();
    metrics.clientEnded(
      { service: unknownLabel, operation: call.operation, protocol: call.protocol },
      "service_unknown",
      0,
    );
    return this.#refusals.reject(unknownService(call, discovery));
  }
}
