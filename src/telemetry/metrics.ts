/// <reference path="./prom-registry.d.ts" />
import type { Registry } from "prom-client";
import PromRegistry from "prom-client/lib/registry.js";
import type { Protocol } from "../core/call.ts";
import {
  CollectedInstrument,
  CountOfHistogram,
  HistogramInstrument,
  NumberInstrument,
  ReadInstrument,
} from "./instruments.ts";
import { checkedMetricsOptions, type MetricsOptions } from "./metrics-options.ts";

const breakerLevels = { closed: 0, "half-open": 1, open: 2 };

/** What the metrics of a client call say it was. */
export interface ClientLabels {
  readonly service: string;
  readonly operation: string;
  readonly protocol: Protocol;
}

/** The gRPC connections to one endpoint at one moment. */
export interface SessionState {
  readonly endpoint: string;
  /** HTTP/2 sessions that take new calls. */
  readonly sessions: number;
  /** Calls that are open, also on sessions that take no new ones. */
  readonly streams: number;
  /** Calls that wait for a place on a session. */
  readonly waiting: number;
}

/** The circuit breaker of one endpoint at one moment. */
export interface BreakerView {
  readonly service: string;
  readonly origin: string;
  /** Undefined when there is none. */
  readonly breakerState: "closed" | "half-open" | "open" | undefined;
}

const sessionGauges = {
  sessions: "HTTP/2 sessions to an endpoint that take new RPCs.",
  streams: "RPCs that are open on sessions to an endpoint, draining ones included.",
  waiting: "RPCs that wait for a place on a session to an endpoint.",
};

/**
 * Counts what the mesh does, and shows it as Prometheus wants it.
 *
 * The hot path adds to flat arrays (some 50 ns a call); label objects and texts are made when somebody
 * scrapes. Durations are seconds. The number of series is bounded, whatever clients send.
 */
export class Metrics {
  /** The prom-client registry that shows everything; register own prom-client metrics in it too. */
  readonly registry: Registry;
  readonly #clientRequests: HistogramInstrument;
  readonly #clientAttempts: NumberInstrument;
  readonly #clientRetries: NumberInstrument;
  readonly #breakerState: CollectedInstrument;
  readonly #breakerSources = new Set<() => Iterable<BreakerView>>();
  readonly #serverRequests: HistogramInstrument;
  readonly #serverRejected: NumberInstrument;
  readonly #connectionErrors: NumberInstrument;
  readonly #sessionGauges: CollectedInstrument[];
  readonly #sessionSources = new Set<() => Iterable<SessionState>>();
  #clientInFlight = 0;
  #serverInFlight = 0;

  constructor(options: MetricsOptions = {}) {
    const { buckets, maxSeries } = checkedMetricsOptions(options);
    const client = {
      labelNames: ["service", "operation", "protocol", "outcome"],
      unbounded: "operation",
      maxSeries,
    };
    const server = { labelNames: ["operation", "protocol", "outcome"], unbounded: "operation", maxSeries };
    this.#clientRequests = new HistogramInstrument({
      name: "mesh_client_request_duration_seconds",
      help: "Duration of outgoing calls, all attempts and waits included.",
      buckets,
      ...client,
    });
    this.#clientAttempts = new NumberInstrument("counter", {
      name: "mesh_client_attempts_total",
      help: "Attempts of outgoing calls: each is one request to one endpoint.",
      ...client,
    });
    this.#clientRetries = new NumberInstrument("counter", {
      name: "mesh_client_retries_total",
      help: "Attempts that repeated an earlier one.",
      labelNames: ["service", "operation", "protocol"],
      unbounded: "operation",
      maxSeries,
    });
    this.#breakerState = new CollectedInstrument(
      {
        name: "mesh_breaker_state",
        help: "State of the circuit breaker of an endpoint: 0 closed, 1 half-open, 2 open.",
        labelNames: ["service", "endpoint"],
        unbounded: "endpoint",
        maxSeries,
      },
      ({ index, numbers }) => {
        for (const source of this.#breakerSources) {
          for (const { service, origin, breakerState } of source()) {
            if (breakerState === undefined) continue;
            const slot = index.slot(service, origin);
            numbers.set(slot, Math.max(numbers.get(slot), breakerLevels[breakerState]));
          }
        }
      },
    );
    this.#serverRequests = new HistogramInstrument({
      name: "mesh_server_request_duration_seconds",
      help: "Duration of incoming requests.",
      buckets,
      ...server,
    });
    this.#serverRejected = new NumberInstrument("counter", {
      name: "mesh_server_rejected_total",
      help: "Incoming requests that were refused before their handler ran.",
      labelNames: ["reason"],
      maxSeries,
    });
    this.#connectionErrors = new NumberInstrument("counter", {
      name: "mesh_connection_errors_total",
      help: "Errors of connections that belong to no request: handshakes, protocol, sockets.",
      labelNames: ["kind"],
      maxSeries,
    });
    this.#sessionGauges = (["sessions", "streams", "waiting"] as const).map((what) => {
      const labels = { labelNames: ["endpoint"], maxSeries };
      return new CollectedInstrument(
        { name: `mesh_rpc_${what}`, help: sessionGauges[what], ...labels },
        ({ index, numbers }) => {
          for (const source of this.#sessionSources)
            for (const state of source()) numbers.add(index.slot(state.endpoint), state[what]);
        },
      );
    });
    this.registry = options.registry ?? new PromRegistry();
    this.#register();
  }

  /** The content type of {@link exposition}. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** Everything in the registry, in Prometheus' text format. */
  exposition(): Promise<string> {
    return this.registry.metrics();
  }

  /** Counts an outgoing call that begins. */
  clientStarted(): void {
    this.#clientInFlight++;
  }

  /** Counts an outgoing call that is over. */
  clientEnded(call: ClientLabels, outcome: string, seconds: number): void {
    this.#clientInFlight--;
    const requests = this.#clientRequests;
    requests.observe(requests.index.slot(call.service, call.operation, call.protocol, outcome), seconds);
  }

  /** Counts an attempt that is over. */
  attemptEnded(call: ClientLabels, outcome: string): void {
    const attempts = this.#clientAttempts;
    attempts.numbers.add(attempts.index.slot(call.service, call.operation, call.protocol, outcome), 1);
  }

  /** Counts a decision to try once more. */
  retried(call: ClientLabels): void {
    const retries = this.#clientRetries;
    retries.numbers.add(retries.index.slot(call.service, call.operation, call.protocol), 1);
  }

  /**
   * Asks `views` for the breakers at each scrape; of several for the same endpoint (of several meshes) the state that
   * lets the least through is shown.
   *
   * @returns stops that
   */
  watchBreakers(views: () => Iterable<BreakerView>): () => void {
    this.#breakerSources.add(views);
    return () => this.#breakerSources.delete(views);
  }

  /**
   * Asks `states` for the gRPC connections at each scrape; states of the same endpoint are added up.
   *
   * @returns stops that
   */
  watchSessions(states: () => Iterable<SessionState>): () => void {
    this.#sessionSources.add(states);
    return () => this.#sessionSources.delete(states);
  }

  /** Counts an incoming request that begins. */
  serverStarted(): void {
    this.#serverInFlight++;
  }

  /** Counts an incoming request that is over. */
  serverEnded(operation: string, protocol: Protocol, outcome: string, seconds: number): void {
    this.#serverInFlight--;
    const requests = this.#serverRequests;
    requests.observe(requests.index.slot(operation, protocol, outcome), seconds);
  }

  /** Counts an incoming request that was refused before its handler ran. */
  rejected(reason: string): void {
    const rejected = this.#serverRejected;
    rejected.numbers.add(rejected.index.slot(reason), 1);
  }

  /** Counts an error of a connection that belongs to no request. */
  connectionError(kind: string): void {
    const errors = this.#connectionErrors;
    errors.numbers.add(errors.index.slot(kind), 1);
  }

  #register(): void {
    const instruments = [
      new CountOfHistogram(
        {
          name: "mesh_client_requests_total",
          help: "Outgoing calls, each counted once however many attempts it took.",
        },
        this.#clientRequests,
      ),
      this.#clientRequests,
      this.#clientAttempts,
      this.#clientRetries,
      this.#breakerState,
      ...this.#sessionGauges,
      new ReadInstrument(
        { name: "mesh_client_in_flight", help: "Outgoing calls that are not over yet." },
        () => this.#clientInFlight,
      ),
      new CountOfHistogram(
        { name: "mesh_server_requests_total", help: "Incoming requests, refused ones included." },
        this.#serverRequests,
      ),
      this.#serverRequests,
      new ReadInstrument(
        { name: "mesh_server_in_flight", help: "Incoming requests that are not over yet." },
        () => this.#serverInFlight,
      ),
      this.#serverRejected,
      this.#connectionErrors,
    ];
    // The shape is that of prom-client's own metrics; its types know only its own classes.
    for (const instrument of instruments) this.registry.registerMetric(instrument as never);
  }
}

/**
 * Makes the mesh's metrics.
 *
 * Two meshes in one process share them by `createMesh({ metrics })`; a registry holds them only once.
 *
 * @example
 * ```ts
 * const metrics = createMetrics();
 * const rows = new Counter({ name: "rows_total", help: "Rows served.", registers: [metrics.registry] });
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  return new Metrics(options);
}
