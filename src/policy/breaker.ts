import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { reportLate, reportLost } from "../core/hooks.ts";
import {
  checkFunction,
  checkNumber,
  checkObject,
  checkOptions,
  type OptionKeys,
  orDefault,
} from "../core/options.ts";
import type { Outcome } from "../core/outcome.ts";
import type { Limiter, Permit } from "../core/permit.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { BreakerWindow } from "./breaker-window.ts";

/** `closed` lets calls through, `open` refuses them, `half-open` lets a few through to find out. */
export type BreakerState = "closed" | "open" | "half-open";

/** Options of a circuit breaker. */
export interface BreakerOptions {
  /** How far back calls count, in milliseconds. @default 10000 */
  readonly windowMs?: number;
  /** Share of failures in the window that opens it: above 0, at most 1. @default 0.5 */
  readonly failureRate?: number;
  /** Calls in the window below which it never opens. @default 20 */
  readonly minCalls?: number;
  /** How long it stays open the first time; doubles each time that the probes fail. @default 5000 */
  readonly openMs?: number;
  /** Longest time that it stays open. @default 60000 */
  readonly maxOpenMs?: number;
  /** Share of the open time that is cut off at random, so that many clients do not return together. @default 0.2 */
  readonly jitter?: number;
  /** Probes that must succeed before it closes; one at first, then one more with each success. @default 3 */
  readonly probes?: number;
  /**
   * A call that arrived with less than this before its deadline, in milliseconds, and then missed it, says
   * nothing about the endpoint.
   *
   * @default 50
   */
  readonly minDeadlineMs?: number;
  /** Told of each change of state, when it is noticed. */
  readonly onStateChange?: (to: BreakerState, from: BreakerState) => void;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

const knownOptions: OptionKeys<BreakerOptions> = {
  windowMs: true,
  failureRate: true,
  minCalls: true,
  openMs: true,
  maxOpenMs: true,
  jitter: true,
  probes: true,
  minDeadlineMs: true,
  onStateChange: true,
  clock: true,
  random: true,
};

/** What is worth keeping of a breaker; plain data, with times relative to when it was taken. */
export interface BreakerSnapshot {
  readonly state: BreakerState;
  /** Until the next probe, in milliseconds; 0 unless open. */
  readonly openForMs: number;
  /** How often in a row it opened. */
  readonly openings: number;
  /** Calls in the window. */
  readonly calls: number;
  /** Failures among them. */
  readonly failures: number;
  /** Failures since the last success. */
  readonly consecutiveFailures: number;
}

/**
 * The state of one circuit breaker, for code that decides by itself where calls go.
 *
 * It computes from elapsed time alone: an open breaker becomes half-open when somebody asks, so it needs
 * no timer and can live at module scope on every platform. Made by {@link createBreaker}.
 */
export class Breaker implements Limiter {
  /** What it measures time with. */
  readonly clock: Clock;
  readonly #options: Required<Omit<BreakerOptions, "onStateChange" | "clock" | "random">>;
  readonly #onStateChange: BreakerOptions["onStateChange"];
  readonly #random: Random;
  readonly #window: BreakerWindow;
  #state: BreakerState = "closed";
  /** Changes with the state, so that a call let through before cannot pass for a probe. */
  #generation: Permit = 1;
  #openings = 0;
  #openUntil = 0;
  #openedForMs = 0;
  #closedAt = -Infinity;
  #probesOut = 0;
  #probesPassed = 0;
  #lastProbeAt = 0;
  #consecutiveFailures = 0;
  #lastFailure: string | undefined;

  constructor(options: BreakerOptions = {}) {
    const who = "createBreaker()";
    checkOptions(who, options, knownOptions);
    const openMs = checkNumber(who, "openMs", orDefault(options.openMs, 5_000), { above: true });
    this.#options = {
      windowMs: checkNumber(who, "windowMs", orDefault(options.windowMs, 10_000), { above: true }),
      failureRate: checkNumber(who, "failureRate", orDefault(options.failureRate, 0.5), {
        above: true,
        max: 1,
      }),
      minCalls: checkNumber(who, "minCalls", orDefault(options.minCalls, 20), { min: 1, integer: true }),
      openMs,
      maxOpenMs: checkNumber(who, "maxOpenMs", orDefault(options.maxOpenMs, Math.max(60_000, openMs)), {
        min: openMs,
      }),
      jitter: checkNumber(who, "jitter", orDefault(options.jitter, 0.2), { max: 1 }),
      probes: checkNumber(who, "probes", orDefault(options.probes, 3), { min: 1, integer: true }),
      minDeadlineMs: checkNumber(who, "minDeadlineMs", orDefault(options.minDeadlineMs, 50)),
    };
    this.#onStateChange = checkFunction(who, "onStateChange", options.onStateChange);
    this.clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#window = new BreakerWindow(this.#options.windowMs);
  }

  /** The state as of now: an open breaker whose time is over is half-open. */
  get state(): BreakerState {
    return this.#state === "open" && this.clock.now() >= this.#openUntil ? "half-open" : this.#state;
  }

  /** How the last call that counted as a failure ended, by the status of its outcome; undefined while none has. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** Whether it would let a call through; takes nothing. */
  ready(now: number = this.clock.now()): boolean {
    if (this.#state === "closed") return true;
    return this.retryAfterMs(now) === 0;
  }

  /** Milliseconds until it may let a call through; 0 when it would now. */
  retryAfterMs(now: number = this.clock.now()): number {
    if (this.#state === "closed") return 0;
    if (this.#state === "open") return Math.max(0, this.#openUntil - now);
    if (this.#probesOut < Math.min(this.#probesPassed + 1, this.#options.probes)) return 0;
    // A probe that hangs, or a stream that stays open for hours, must not keep it half-open for ever.
    return Math.max(0, this.#lastProbeAt + this.#options.openMs - now);
  }

  /**
   * Asks for a call to be let through. Each permit is handed back with {@link release}, once.
   *
   * @returns the permit, or 0 when the call must not be made
   */
  acquire(_call?: Call, now: number = this.clock.now()): Permit {
    if (this.#state === "closed") return this.#generation;
    if (this.retryAfterMs(now) > 0) return 0;
    if (this.#state === "open") {
      this.#probesOut = 0;
      this.#probesPassed = 0;
      this.#change("half-open");
    }
    this.#probesOut++;
    this.#lastProbeAt = now;
    return this.#generation;
  }

  /**
   * Hands a permit back with the outcome of its call.
   *
   * @param remainingMs - what was left until the call's deadline when it was let through
   */
  release(
    permit: Permit,
    outcome: Outcome,
    remainingMs: number = Infinity,
    now: number = this.clock.now(),
  ): void {
    if (permit !== this.#generation || this.#state === "open") return;
    const probe = this.#state === "half-open";
    if (probe && this.#probesOut > 0) this.#probesOut--;
    if (this.#isNeutral(outcome, remainingMs)) return;
    const failed = outcome.kind !== "success";
    this.#consecutiveFailures = failed ? this.#consecutiveFailures + 1 : 0;
    if (failed) this.#lastFailure = outcome.status;
    if (probe) {
      if (failed) this.#open(now);
      else if (++this.#probesPassed >= this.#options.probes) this.#close(now);
      return;
    }
    this.#window.add(failed, now);
    if (!failed) return;
    const { calls, failures } = this.#window;
    if (calls >= this.#options.minCalls && failures >= calls * this.#options.failureRate) this.#open(now);
  }

  refusal(call: Call, now: number = this.clock.now()): MeshError {
    const retryAfterMs = Math.ceil(this.retryAfterMs(now));
    const why = this.#lastFailure === undefined ? "" : ` after ${this.#lastFailure}`;
    return new MeshError(
      "ERR_BREAKER_OPEN",
      `Cannot call ${call.service} ${call.operation}: its circuit breaker is ${this.state}${why}; try again in ${retryAfterMs} ms`,
      { retryAfterMs },
    );
  }

  /** What is worth keeping; give it to {@link restore} of another breaker, in another process even. */
  snapshot(): BreakerSnapshot {
    const now = this.clock.now();
    this.#window.turn(now);
    const { state } = this;
    return {
      state,
      openForMs: state === "open" ? this.#openUntil - now : 0,
      openings: this.#openings,
      calls: this.#window.calls,
      failures: this.#window.failures,
      consecutiveFailures: this.#consecutiveFailures,
    };
  }

  /**
   * Takes on the state of a snapshot. Its counts are not taken on: they belong to a window that is over.
   *
   * @throws TypeError | RangeError when the snapshot is not one
   */
  restore(snapshot: BreakerSnapshot): void {
    const who = "a breaker from this snapshot";
    checkObject(who, snapshot);
    const openForMs = checkNumber(who, "openForMs", snapshot.openForMs);
    const openings = checkNumber(who, "openings", snapshot.openings, { integer: true });
    if (snapshot.state !== "closed" && snapshot.state !== "open" && snapshot.state !== "half-open") {
      throw new TypeError(
        `Cannot make ${who}: state is ${String(snapshot.state)}; pass what snapshot() gave`,
      );
    }
    const now = this.clock.now();
    this.#window.clear();
    this.#consecutiveFailures = 0;
    this.#openings = openings;
    this.#openUntil = now + openForMs;
    this.#openedForMs = Math.max(openForMs, this.#options.openMs);
    this.#closedAt = snapshot.state === "closed" ? now : -Infinity;
    // Half-open is open with nothing left to wait: the probes of the other breaker are not ours.
    this.#change(snapshot.state === "closed" ? "closed" : "open");
  }

  /** Whether the outcome says nothing about the endpoint; a limit that refuses is doing its work. */
  #isNeutral(outcome: Outcome, remainingMs: number): boolean {
    if (outcome.local || outcome.kind === "cancelled" || outcome.kind === "rejected") return true;
    return outcome.status === "deadline_exceeded" && remainingMs < this.#options.minDeadlineMs;
  }

  #open(now: number): void {
    // Closed for less long than it was open before: it never really recovered, so the doubling goes on.
    if (this.#state === "closed" && now - this.#closedAt >= this.#openedForMs) this.#openings = 0;
    const { openMs, maxOpenMs, jitter } = this.#options;
    const fullMs = Math.min(openMs * 2 ** this.#openings, maxOpenMs);
    this.#openings++;
    this.#openedForMs = fullMs * (1 - jitter * this.#random());
    this.#openUntil = now + this.#openedForMs;
    this.#change("open");
  }

  #close(now: number): void {
    this.#closedAt = now;
    this.#window.clear();
    this.#change("closed");
  }

  #change(to: BreakerState): void {
    const from = this.#state;
    this.#generation++;
    this.#state = to;
    if (to === from || this.#onStateChange === undefined) return;
    // What it throws must neither fail a call nor keep a permit.
    try {
      reportLate("onStateChange of a breaker", this.#onStateChange(to, from));
    } catch (error) {
      reportLost("onStateChange of a breaker", error);
    }
  }
}

/**
 * Makes the state of a circuit breaker, to share it between layers, to read it, or to save it.
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function createBreaker(options: BreakerOptions = {}): Breaker {
  return new Breaker(options);
}
