import { reportLost } from "../core/hooks.ts";
import { HealthChecks, type HealthFindings, type HealthOptions } from "./health-checks.ts";

/** What the service says of itself. */
export type HealthStatus = "ready" | "not-ready" | "draining";

/** Readiness, with what each check found. */
export interface Readiness {
  readonly status: HealthStatus;
  readonly checks: HealthFindings;
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
  readonly #checks: HealthChecks;
  readonly #listeners = new Set<HealthListener>();
  readonly #services = new Map<string, boolean>();
  #status: HealthStatus = "ready";

  constructor(checks: HealthChecks) {
    this.#checks = checks;
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
    const checks = await this.#checks.findings();
    const sound = Object.values(checks).every((finding) => finding === "ok");
    return { status: this.#status === "ready" && !sound ? "not-ready" : this.#status, checks };
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
  return healthOn(new HealthChecks(options));
}

/** A health of its own, with checks that others share. */
export function healthOn(checks: HealthChecks): Health {
  return new ServiceHealth(checks);
}
