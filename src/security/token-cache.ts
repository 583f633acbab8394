import type { ValidatedPrincipal } from "./token-validator.ts";

/** Options of {@link TokenCache}. */
export interface TokenCacheOptions {
  /** How many tokens are remembered; the one unused for longest leaves first. @default 1000 */
  readonly maxTokens?: number;
  /** How long an answer is reused at most, in milliseconds, so that a revoked token ends. @default 300_000 */
  readonly maxAgeMs?: number;
}

/** The longest token remembered, in characters; together with the number of tokens it bounds the memory. */
const maxTokenLength = 4096;

interface Entry {
  readonly principal: ValidatedPrincipal;
  readonly until: number;
}

/** Validated tokens until they expire. Only answers that say when they expire are kept, and no refusals. */
export class TokenCache {
  readonly #maxTokens: number;
  readonly #maxAgeMs: number;
  readonly #wallClock: () => number;
  readonly #entries = new Map<string, Entry>();
  #newest = "";

  /** @param wallClock - milliseconds since the epoch, because that is how tokens say when they expire */
  constructor(options: TokenCacheOptions = {}, wallClock: () => number = Date.now) {
    this.#maxTokens = options.maxTokens ?? 1000;
    this.#maxAgeMs = options.maxAgeMs ?? 300_000;
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

  /** Moves a token to the young end of the map's order. */
  #refresh(token: string, entry: Entry): void {
    this.#entries.delete(token);
    this.#entries.set(token, entry);
    this.#newest = token;
  }
}
