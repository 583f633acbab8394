import type { ValidatedPrincipal } from "./token-validator.ts";

/** Options of {@link TokenCache}. */
export interface TokenCacheOptions {
  /** How many tokens are remembered; the one unused for longest leaves first. @default 1000 */
  readonly maxTokens?: number;
  /** How long a result is reused at most, in milliseconds, so that a revoked token ends. @default 300_000 */
  readonly maxAgeMs?: number;
  /**
   * How long a refused token stays refused without being validated again, in milliseconds. Up to `maxTokens` of them
   * are remembered, in addition to the valid ones. Only a definite refusal is: an `AuthenticationError` or another
   * error with the code `ERR_UNAUTHENTICATED`, `null` or `false`. Any other error may be an outage, and is not
   * remembered. Pass 0 if the validator's result depends on the call too.
   *
   * @default 5000
   */
  readonly refusalMaxAgeMs?: number;
}

/** The longest token remembered, in characters; together with the number of tokens it bounds the memory. */
const maxTokenLength = 4096;

interface Entry {
  readonly principal: ValidatedPrincipal;
  readonly until: number;
}

interface Refusal {
  readonly error: unknown;
  readonly at: number;
}

/**
 * Remembers what a validator said of tokens: principals until they expire, where it says when that is, and refusals for
 * a few seconds, so that a client which keeps sending the same invalid token costs only a lookup.
 */
export class TokenCache {
  readonly #maxTokens: number;
  readonly #maxAgeMs: number;
  readonly #wallClock: () => number;
  readonly #refusalMaxAgeMs: number;
  readonly #entries = new Map<string, Entry>();
  /** Kept apart, so that invalid tokens never evict valid ones. Oldest first. */
  readonly #refusals = new Map<string, Refusal>();
  #newest = "";

  /** @param wallClock - milliseconds since the epoch, because that is how tokens say when they expire */
  constructor(options: TokenCacheOptions = {}, wallClock: () => number = Date.now) {
    this.#maxTokens = options.maxTokens ?? 1000;
    this.#maxAgeMs = options.maxAgeMs ?? 300_000;
    this.#refusalMaxAgeMs = options.refusalMaxAgeMs ?? 5_000;
    this.#wallClock = wallClock;
  }

  get(token: string): ValidatedPrincipal | undefined {
    // Static tokens are never in here: they must not pay for the search.
    if (this.#entries.size === 0) return undefined;
    const entry = this.#entries.get(token);
    if (entry === undefined) return undefined;
    if (entry.until <= this.#wallClock()) {
      this.#entries.delete(token);
      return undefined;
    }
    if (token !== this.#newest) this.#refresh(token, entry);
    return entry.principal;
  }

  set(token: string, principal: ValidatedPrincipal): void {
    const { expiresAt } = principal;
    if (expiresAt === undefined || token.length > maxTokenLength || this.#maxTokens === 0) return;
    const now = this.#wallClock();
    if (!(expiresAt > now)) return;
    this.#refresh(token, { principal, until: Math.min(expiresAt, now + this.#maxAgeMs) });
    if (this.#entries.size > this.#maxTokens) this.#entries.delete(this.#entries.keys().next().value!);
  }

  /** Remembers a definite refusal. */
  refuse(token: string, error: unknown): void {
    if (this.#refusalMaxAgeMs === 0 || token.length > maxTokenLength || this.#maxTokens === 0) return;
    this.#refusals.delete(token);
    this.#refusals.set(token, { error, at: this.#wallClock() });
    if (this.#refusals.size > this.#maxTokens) this.#refusals.delete(this.#refusals.keys().next().value!);
  }

  /**
   * Throws the error that the token was refused with, if that was recent. The error is the same object each time,
   * because making one costs more than the rest of the refusal.
   */
  throwIfRefused(token: string): void {
    if (this.#refusals.size === 0) return;
    const refusal = this.#refusals.get(token);
    if (refusal === undefined) return;
    const age = this.#wallClock() - refusal.at;
    // A wall clock may be set back.
    if (age >= 0 && age < this.#refusalMaxAgeMs) throw refusal.error;
    this.#refusals.delete(token);
  }

  /** Moves a token to the young end of the map's order. */
  #refresh(token: string, entry: Entry): void {
    this.#entries.delete(token);
    this.#entries.set(token, entry);
    this.#newest = token;
  }
}
