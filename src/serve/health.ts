import { type Clock, systemClock } from "../core/clock.ts";
import { reportLost } from "../core/hooks.ts";
import { checkFunction, checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";

const knownHealthOptions: OptionKeys<HealthOptions> = {
  checks: true,
  checkTimeoutMs: true,
  maxAgeMs: true,
  clock: true,
};

/**
 * Whether one thing that the service depends on is there: returns or resolves when it is; throws, rejects or
 * returns `false` when it is not. The signal aborts when the time is up.
 */
export type HealthCheck = (signal: AbortSignal) => unknown;

/** What the service says of itself. */
export type HealthStatus = "ready" | "not-ready" | "draining";

/** Readiness, with what each check found. */
export interface Readiness {
  readonly status: HealthStatus;
  readonly checks: Readonly<Record<string, "ok" | "failed" | "timeout">>;
}

/** Options of {@link createHealth}. */
export interface HealthOptions {
  /** What must hold for the service to be ready, by name. @default nothing */
  readonly checks?: Readonly<Record<string, HealthCheck>>;
  /** How long one check may take, in milliseconds. @default 2000 */
  readonly checkTimeoutMs?: number;
  /**
   * How long the result of the checks is reused, in milliseconds. Probes that arrive while the checks run share that
   * run, also with 0. @default 1000
   */
  readonly maxAgeMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Told of a change. May return a promise: {@link Health.drain} waits for it, so that watchers have heard
 * the news before a connection closes.
 */
export type HealthListener = (status: HealthStatus) => unknown;

/** The health of a service: what probes are told. */
export interface Health {
  /** What the service itself wants; the checks have their say in {@link readiness}. */
  readonly status: HealthStatus;
  /** Says whether the service wants traffic. Without effect once it drains. */
  setReady(ready: boolean): void;
  /** Not ready, for good. The promise, if there is one, resolves when every listener has dealt with it. */
  drain(): void | Promise<void>;
  /** What was said of single services by {@link setServing}, by their full names. */
  readonly services: ReadonlyMap<string, boolean>;
  /**
   * Says whether one RPC service (`package.Service`) takes calls; gRPC health tells. It serves only while the
   * whole does, whatever is said here.
   *
   * @throws TypeError when the name is empty: that is the whole, for which there is `setReady`
   */
  setServing(service: string, serving: boolean): void;
  /** Calls `listener` with every change of `status` or of a service; the returned function stops that. */
  subscribe(listener: HealthListener): () => void;
  /** Asks the checks. */
  readiness(): Promise<Readiness>;
}

class ServiceHealth implements Health {
  readonly #checks: readonly (readonly [string, HealthCheck])[];
  readonly #timeoutMs: number;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  readonly #listeners = new Set<HealthListener>();
  readonly #services = new Map<string, boolean>();
  #status: HealthStatus = "ready";
  #found: Readiness["checks"] = {};
  #foundAt = -Infinity;
  /** The run that is in progress. */
  #asking: Promise<Readiness["checks"]> | undefined;

  constructor(options: HealthOptions) {
    const who = "createHealth()";
    checkOptions(who, options, knownHealthOptions);
    this.#checks = Object.entries(options.checks ?? {});
    for (const [name, check] of this.#checks) checkFunction(who, `checks.${name}`, check);
    this.#timeoutMs = checkNumber(who, "checkTimeoutMs", options.checkTimeoutMs ?? 2_000, { above: true });
    this.#maxAgeMs = checkNumber(who, "maxAgeMs", options.maxAgeMs ?? 1_000);
    this.#clock = options.clock ?? systemClock;
  }

  get status(): HealthStatus {
    return this.#status;
  }

  setReady(ready: boolean): void {
    // Nobody waits for the listeners here, and they cannot make it fail.
    if (this.#status !== "draining") void this.#change(ready ? "ready" : "not-ready");
  }

  drain(): void | Promise<void> {
    return this.#change("draining");
  }

  get services(): ReadonlyMap<string, boolean> {
    return this.#services;
  }

  setServing(service: string, serving: boolean): void {
    if (typeof service !== "string" || service === "") {
      throw new TypeError(
        `Cannot set the health of a service: its name is ${JSON.stringify(service)}; pass "package.Service", or use setReady() for the whole`,
      );
    }
    if (this.#services.get(service) === serving) return;
    this.#services.set(service, serving);
    // As above.
    void this.#tell();
  }

  subscribe(listener: HealthListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async readiness(): Promise<Readiness> {
    const checks = this.#isFresh() ? this.#found : await this.#findings();
    const sound = Object.values(checks).every((finding) => finding === "ok");
    return { status: this.#status === "ready" && !sound ? "not-ready" : this.#status, checks };
  }

  #isFresh(): boolean {
    return this.#checks.length === 0 || this.#clock.now() - this.#foundAt < this.#maxAgeMs;
  }

  /** Runs the checks, or joins the run that is in progress. */
  #findings(): Promise<Readiness["checks"]> {
    const asking = this.#asking;
    if (asking !== undefined) return this.#join(asking);
    const own = this.#askAll();
    this.#asking = own;
    // A check that fails is a finding: a run resolves whatever happens.
    void own.then(() => this.#forget(own));
    return own;
  }

  async #askAll(): Promise<Readiness["checks"]> {
    const found = await Promise.all(
      this.#checks.map(async ([name, check]) => [name, await this.#ask(check)] as const),
    );
    this.#found = Object.fromEntries(found);
    this.#foundAt = this.#clock.now();
    return this.#found;
  }

  #forget(asking: Promise<Readiness["checks"]>): void {
    if (this.#asking === asking) this.#asking = undefined;
  }

  /**
   * Waits for a run that another probe started, but no longer than checks may take: on edge platforms the run belongs
   * to that probe's request, and never settles when that is cancelled.
   */
  #join(asking: Promise<Readiness["checks"]>): Promise<Readiness["checks"]> {
    return new Promise((resolve) => {
      const disarm = this.#clock.schedule(() => {
        this.#forget(asking);
        resolve(Object.fromEntries(this.#checks.map(([name]) => [name, "timeout"])));
      }, this.#timeoutMs);
      // As above.
      void asking.then((found) => {
        disarm();
        resolve(found);
      });
    });
  }

  #ask(check: HealthCheck): Promise<"ok" | "failed" | "timeout"> {
    return new Promise((resolve) => {
      const controller = new AbortController();
      const disarm = this.#clock.schedule(() => {
        resolve("timeout");
        controller.abort(new Error(`The check took longer than ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      const settle = (finding: "ok" | "failed"): void => {
        disarm();
        resolve(finding);
      };
      Promise.resolve()
        .then(() => check(controller.signal))
        .then(
          (result) => settle(result === false ? "failed" : "ok"),
          () => settle("failed"),
        );
    });
  }

  #change(status: HealthStatus): void | Promise<void> {
    if (this.#status === status) return;
    this.#status = status;
    return this.#tell();
  }

  #tell(): void | Promise<void> {
    const late: Promise<unknown>[] = [];
    for (const listener of [...this.#listeners]) {
      try {
        const told = listener(this.#status);
        if (told instanceof Promise) late.push(told);
      } catch (error) {
        // The other listeners must still be told, and a drain must go on.
        reportLost("A listener of health", error);
      }
    }
    if (late.length > 0) return Promise.allSettled(late).then(() => {});
  }
}

/**
 * Makes the health of a service, which `/healthz`, `/readyz` and gRPC health tell.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createHealth(options: HealthOptions = {}): Health {
  return new ServiceHealth(options);
}
