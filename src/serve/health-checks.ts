import { type Clock, systemClock } from "../core/clock.ts";
import {
  checkFunction,
  checkNumber,
  checkObject,
  checkOptions,
  type OptionKeys,
  orDefault,
} from "../core/options.ts";

/**
 * Whether one thing that the service depends on is there: returns or resolves when it is; throws, rejects or
 * returns `false` when it is not. The signal aborts when the time is up.
 */
export type HealthCheck = (signal: AbortSignal) => unknown;

/** What each check found. */
export type HealthFindings = Readonly<Record<string, "ok" | "failed" | "timeout">>;

/** Options of `createHealth`. */
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

const knownHealthOptions: OptionKeys<HealthOptions> = {
  checks: true,
  checkTimeoutMs: true,
  maxAgeMs: true,
  clock: true,
};

/** The checks of a service: one run at a time, whose findings are reused for a while. The servers of a mesh share them. */
export class HealthChecks {
  readonly #checks: readonly (readonly [string, HealthCheck])[];
  readonly #timeoutMs: number;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  #found: HealthFindings = {};
  #foundAt = -Infinity;
  /** The run that is in progress. */
  #asking: Promise<HealthFindings> | undefined;

  /** @throws TypeError | RangeError when an option has the wrong type or is out of range */
  constructor(options: HealthOptions) {
    const who = "createHealth()";
    checkOptions(who, options, knownHealthOptions);
    const { checks = {} } = options;
    checkObject(`${who} checks`, checks);
    // What is undefined is left out, as everywhere.
    this.#checks = Object.entries(checks).filter(([, check]) => check !== undefined);
    for (const [name, check] of this.#checks) checkFunction(who, `checks.${name}`, check);
    this.#timeoutMs = checkNumber(who, "checkTimeoutMs", orDefault(options.checkTimeoutMs, 2_000), {
      above: true,
    });
    this.#maxAgeMs = checkNumber(who, "maxAgeMs", orDefault(options.maxAgeMs, 1_000));
    this.#clock = options.clock ?? systemClock;
  }

  /** What the checks find, or found a moment ago. Never rejects. */
  async findings(): Promise<HealthFindings> {
    return this.#isFresh() ? this.#found : await this.#run();
  }

  #isFresh(): boolean {
    return this.#checks.length === 0 || this.#clock.now() - this.#foundAt < this.#maxAgeMs;
  }

  /** Runs the checks, or joins the run that is in progress. */
  #run(): Promise<HealthFindings> {
    const asking = this.#asking;
    if (asking !== undefined) return this.#join(asking);
    const own = this.#askAll();
    this.#asking = own;
    // A check that fails is a finding: a run resolves whatever happens.
    void own.then(() => this.#forget(own));
    return own;
  }

  async #askAll(): Promise<HealthFindings> {
    const found = await Promise.all(
      this.#checks.map(async ([name, check]) => [name, await this.#ask(check)] as const),
    );
    this.#found = Object.fromEntries(found);
    this.#foundAt = this.#clock.now();
    return this.#found;
  }

  #forget(asking: Promise<HealthFindings>): void {
    if (this.#asking === asking) this.#asking = undefined;
  }

  /**
   * Waits for a run that another probe started, but no longer than checks may take: on edge platforms the run belongs
   * to that probe's request, and never settles when that is cancelled.
   */
  #join(asking: Promise<HealthFindings>): Promise<HealthFindings> {
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
}
