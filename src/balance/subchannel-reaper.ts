import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Discovery } from "../discovery/discovery.ts";

/**
 * How long an endpoint that left discovery may come back to its connections, in milliseconds. No call goes there
 * meanwhile; a discovery that flaps must not cost a handshake for each endpoint. grpc-go's balancer for lookaside
 * load balancing keeps its subchannels so long, too.
 */
const returnMs = 10_000;

/** What {@link SubchannelReaper} needs. */
export interface SubchannelReaperOptions {
  readonly discovery: Discovery;
  readonly clock: Clock;
  /** Lets go of what leads to an origin; false when it is still in use, and is to be asked for again. */
  readonly release: (origin: string) => boolean;
}

/**
 * Notices which endpoints have left discovery, and has their connections released: what nobody calls any more would
 * stay open for the life of the process.
 *
 * It looks on when calls ask discovery, and is told where discovery can be watched.
 */
export class SubchannelReaper {
  /** The discovery of the options, as calls are to ask it. */
  readonly discovery: Discovery;
  readonly #options: SubchannelReaperOptions;
  /** What discovery said last, of the services that it knows. */
  readonly #seen = new Map<string, readonly Endpoint[]>();
  /** Stops watching, by service. */
  readonly #watches = new Map<string, () => void>();
  /** Stops the wait for those that have left, by origin. */
  readonly #leaving = new Map<string, () => void>();
  #closed = false;

  constructor(options: SubchannelReaperOptions) {
    this.#options = options;
    const { discovery } = options;
    this.discovery = {
      endpoints: (service) => {
        const endpoints = discovery.endpoints(service);
        if (endpoints !== this.#seen.get(service)) this.#follow(service, endpoints);
        return endpoints;
      },
      ...(discovery.services && { services: () => discovery.services!() }),
    };
  }

  #follow(service: string, endpoints: readonly Endpoint[] | undefined): void {
    if (this.#closed) return;
    const before = this.#seen.get(service) ?? [];
    if (endpoints === undefined) {
      this.#seen.delete(service);
      this.#watches.get(service)?.();
      this.#watches.delete(service);
    } else {
      this.#seen.set(service, endpoints);
      for (const { origin } of endpoints) this.#stay(origin);
      this.#watch(service);
    }
    for (const { origin } of before) if (!this.#isListed(origin)) this.#leave(origin);
  }

  #watch(service: string): void {
    const { discovery } = this.#options;
    if (discovery.watch === undefined || this.#watches.has(service)) return;
    const stop = discovery.watch(service, (endpoints) => this.#follow(service, endpoints));
    this.#watches.set(service, stop);
  }

  /** One origin may serve several services. */
  #isListed(origin: string): boolean {
    for (const endpoints of this.#seen.values()) {
      if (endpoints.some((endpoint) => endpoint.origin === origin)) return true;
    }
    return false;
  }

  #stay(origin: string): void {
    this.#leaving.get(origin)?.();
    this.#leaving.delete(origin);
  }

  #leave(origin: string): void {
    this.#stay(origin);
    const { clock, release } = this.#options;
    const stop = clock.schedule(() => {
      this.#leaving.delete(origin);
      if (!release(origin)) this.#leave(origin);
    }, returnMs);
    this.#leaving.set(origin, stop);
  }

  /** Looks no more. */
  close(): void {
    this.#closed = true;
    for (const stop of [...this.#watches.values(), ...this.#leaving.values()]) stop();
    this.#watches.clear();
    this.#leaving.clear();
  }
}
