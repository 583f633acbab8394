import type { Call } from "../core/call.ts";
import { outcomeOfCancelledCall, outcomeOfMeshError } from "../core/classifier.ts";
import type { HeaderSource } from "../core/headers.ts";
import { type Outcome, ok, outcome } from "../core/outcome.ts";

/** Statuses by which a server, or a proxy before it, says that it fails only for now. */
const transient: ReadonlySet<number> = new Set([502, 503, 504]);

/** One shared outcome for each status that carries no pushback; there are at most a few hundred. */
const byStatus = new Map<number, Outcome>();

function plainOutcome(status: number): Outcome {
  if (status < 300) return ok;
  let known = byStatus.get(status);
  if (known === undefined) {
    const kind = status < 500 ? "success" : transient.has(status) ? "retryable" : "failure";
    known = outcome(status === 429 ? "rejected" : kind, `http_${status}`);
    byStatus.set(status, known);
  }
  return known;
}

/**
 * The outcome of an HTTP status: up to 4xx the server did its work, 429 is a refusal, 502, 503 and 504
 * pass, every other 5xx stays. `Retry-After` and `RateLimit` become the pushback of the last three kinds.
 */
export function outcomeOfStatus(status: number, headers: HeaderSource, wallClock?: () => number): Outcome {
  const plain = plainOutcome(status);
  if (status !== 429 && !transient.has(status)) return plain;
  const pushbackMs = pushbackFrom(headers, wallClock);
  return pushbackMs === undefined ? plain : { ...plain, pushbackMs };
}

/** The outcome of an error of an HTTP exchange. */
export function outcomeOfError(call: Call, error: unknown): Outcome {
  return outcomeOfCancelledCall(call) ?? outcomeOfMeshError(error) ?? outcome("retryable", "error");
}

/**
 * What the server says about the next attempt, in milliseconds: `Retry-After` (RFC 9110, seconds or a
 * date), else the `t` of a spent `RateLimit` (`draft-ietf-httpapi-ratelimit-headers`).
 *
 * A value that cannot be understood is taken as "do not": the result is `Infinity`.
 */
export function pushbackFrom(headers: HeaderSource, wallClock: () => number = Date.now): number | undefined {
  const retryAfter = headers.get("retry-after");
  if (retryAfter !== null && retryAfter !== undefined) {
    return retryAfterMs(retryAfter, headers.get("date"), wallClock);
  }
  const rateLimit = headers.get("ratelimit");
  return rateLimit === null || rateLimit === undefined ? undefined : rateLimitMs(rateLimit);
}

function retryAfterMs(value: string, serverDate: string | null | undefined, wallClock: () => number): number {
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse alone would take "-5" and "1.5" for dates.
  const at = /^[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) return Infinity;
  // By the server's own clock where it tells the time: the two need not agree.
  const now = Date.parse(serverDate ?? "");
  return Math.max(0, at - (Number.isNaN(now) ? wallClock() : now));
}

/** The wait until the first policy that has nothing left is renewed; undefined when none is spent or says so. */
function rateLimitMs(value: string): number | undefined {
  let wait: number | undefined;
  for (const item of value.split(",")) {
    const parameters = item.split(";").slice(1);
    if (parameterOf(parameters, "r") !== "0") continue;
    const renewal = parameterOf(parameters, "t");
    if (renewal === undefined) continue;
    wait = Math.max(wait ?? 0, /^\d+$/.test(renewal) ? Number(renewal) * 1000 : Infinity);
  }
  return wait;
}

function parameterOf(parameters: readonly string[], name: string): string | undefined {
  const prefix = `${name}=`;
  return parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith(prefix))
    ?.slice(prefix.length)
    .trim();
}
