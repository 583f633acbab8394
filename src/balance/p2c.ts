import { checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { Outcome } from "../core/outcome.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Balancer, EndpointState } from "./balancer.ts";

const knownPowerOfTwoChoicesOptions: OptionKeys<PowerOfTwoChoicesOptions> = { decayMs: true, random: true };

/** Options of {@link powerOfTwoChoices}. */
export interface PowerOfTwoChoicesOptions {
  /** How fast a latency is forgotten: after this time a third of it is left. @default 10000 */
  readonly decayMs?: number;
  /** @default systemRandom */
  readonly random?: Random;
}

/** A failure counts as at least so many times the usual latency, */
const failureAtLeast = 5;
/** and, however long it took, as at most so many times. */
const failureAtMost = 20;

/** Coarse clocks say 0 for what is fast, and 0 stands for an endpoint that has not responded yet. */
const leastLatencyMs = 0.01;

function isTried(state: EndpointState, tried: readonly string[]): boolean {
  return tried.length > 0 && tried.includes(state.endpoint.origin);
}

/** What a failure says about latency: only that it was bad, so it is measured by what is usual. */
function failureLatency(elapsedMs: number, usualMs: number): number {
  if (usualMs === 0) return elapsedMs;
  return Math.max(failureAtLeast * usualMs, Math.min(elapsedMs, failureAtMost * usualMs));
}

class PowerOfTwoChoices implements Balancer {
  readonly #decayMs: number;
  readonly #random: Random;
  /** Moving average over the successes of all endpoints. */
  #usualMs = 0;
  #usualAt = 0;

  constructor(decayMs: number, random: Random) {
    this.#decayMs = decayMs;
    this.#random = random;
  }

  pick<S extends EndpointState>(
    endpoints: readonly S[],
    tried: readonly string[],
    now: number,
  ): S | undefined {
    const count = endpoints.length;
    const first = endpoints[this.#below(count)] as S;
    if (count === 1) return first.available(now) ? first : undefined;
    let at = this.#below(count - 1);
    if (endpoints[at] === first) at = count - 1;
    const second = endpoints[at] as S;
    if (this.#eligible(first, tried, now) && this.#eligible(second, tried, now)) {
      return this.#lighter(first, second, now);
    }
    // Rare: somebody failed. Now all are looked at, and the choice is among those that are left.
    const available = endpoints.filter((state) => state.available(now));
    const fresh = available.filter((state) => !isTried(state, tried));
    return this.#choose(fresh.length > 0 ? fresh : available, now);
  }

  observe(endpoint: EndpointState, elapsedMs: number, outcome: Outcome | undefined, now: number): void {
    if (outcome !== undefined && (outcome.local || outcome.kind === "cancelled")) return;
    const good = outcome === undefined || outcome.kind === "success";
    const seenMs = Math.max(good ? elapsedMs : failureLatency(elapsedMs, this.#usualMs), leastLatencyMs);
    if (good) {
      const weight = this.#usualMs === 0 ? 0 : Math.exp((this.#usualAt - now) / this.#decayMs);
      this.#usualMs = seenMs + (this.#usualMs - seenMs) * weight;
      this.#usualAt = now;
    }
    const { latencyMs } = endpoint;
    // Bad news counts at once, good news little by little: that is the "peak" in peak-EWMA.
    if (seenMs >= latencyMs) endpoint.latencyMs = seenMs;
    else {
      const weight = Math.exp((endpoint.latencyAt - now) / this.#decayMs);
      endpoint.latencyMs = seenMs + (latencyMs - seenMs) * weight;
    }
    endpoint.latencyAt = now;
  }

  #below(count: number): number {
    return Math.min(Math.floor(this.#random() * count), count - 1);
  }

  #eligible(state: EndpointState, tried: readonly string[], now: number): boolean {
    return state.available(now) && !isTried(state, tried);
  }

  #choose<S extends EndpointState>(candidates: readonly S[], now: number): S | undefined {
    if (candidates.length < 2) return candidates[0];
    const first = this.#below(candidates.length);
    let second = this.#below(candidates.length - 1);
    if (second >= first) second++;
    return this.#lighter(candidates[first] as S, candidates[second] as S, now);
  }

  #lighter<S extends EndpointState>(a: S, b: S, now: number): S {
    return this.#cost(b, now) < this.#cost(a, now) ? b : a;
  }

  #cost(state: EndpointState, now: number): number {
    const { latencyMs, inFlight } = state;
    const share = inFlight + 1;
    // Of an endpoint that has not responded yet nothing is known: one call may find out, a flood must not.
    if (latencyMs === 0) return inFlight === 0 ? 0 : Number.MAX_SAFE_INTEGER * share;
    // It fades while it is not called, so that one that was slow is tried again.
    const fadedMs = latencyMs * Math.exp((state.latencyAt - now) / this.#decayMs);
    return (fadedMs * share) / (state.endpoint.weight ?? 1);
  }
}

/**
 * Power of two choices: takes two endpoints at random and calls the one that costs less, where the cost is
 * the peak-EWMA latency times the calls in flight.
 *
 * Two random choices spread the load almost as well as knowing everything (Mitzenmacher, 2001), and, unlike
 * "always the best", many clients with the same view do not all run to the same endpoint. Peak-EWMA, as in
 * Finagle, believes bad latencies at once and good ones slowly. A failure counts as slow: otherwise an
 * endpoint that fails fast would draw all the calls.
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function powerOfTwoChoices(options: PowerOfTwoChoicesOptions = {}): Balancer {
  const who = "powerOfTwoChoices()";
  checkOptions(who, options, knownPowerOfTwoChoicesOptions);
  const decayMs = checkNumber(who, "decayMs", orDefault(options.decayMs, 10_000), { above: true });
  return new PowerOfTwoChoices(decayMs, options.random ?? systemRandom);
}
