import type { Endpoint } from "../../src/core/endpoint.ts";
import { MeshError } from "../../src/core/errors.ts";
import type { Resolution, Resolver } from "../../src/discovery/resolver.ts";

type Listener = Parameters<Resolution["watch"]>[0];

/** A resolver of one service whose resolution the test changes as it likes. It begins with nothing resolved yet. */
export class ChangingResolver implements Resolver {
  readonly #service: string;
  readonly #listeners = new Set<Listener>();
  #known = true;
  #current: readonly Endpoint[] | undefined;
  #error: unknown;
  /** How often the service was resolved, and how often a resolution and the resolver were closed. */
  readonly counts = { resolved: 0, ended: 0, closed: 0 };

  constructor(service: string = "lake") {
    this.#service = service;
  }

  /** How many watch the resolution. */
  get watchers(): number {
    return this.#listeners.size;
  }

  resolve(service: string): Resolution | undefined {
    if (service !== this.#service || !this.#known) return undefined;
    this.counts.resolved++;
    const self = this;
    return {
      get current() {
        return self.#current;
      },
      get error() {
        return self.#error;
      },
      watch: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      close: () => {
        this.counts.ended++;
      },
    };
  }

  close(): void {
    this.counts.closed++;
  }

  /** Makes the service run at these origins. */
  set(...endpoints: readonly (string | Endpoint)[]): this {
    this.#known = true;
    this.#tell(
      endpoints.map((endpoint) => (typeof endpoint === "string" ? { origin: endpoint } : endpoint)),
      undefined,
    );
    return this;
  }

  /** Loses the value, and says why if there is a reason. */
  lose(error?: unknown): void {
    this.#tell(undefined, error);
  }

  /** Makes the service unknown. */
  forget(): void {
    this.#known = false;
    this.lose(new MeshError("ERR_SERVICE_UNKNOWN", "it was removed"));
  }

  #tell(current: readonly Endpoint[] | undefined, error: unknown): void {
    this.#current = current;
    this.#error = error;
    for (const listener of [...this.#listeners]) listener(current);
  }
}
