import type { HeaderSource } from "../core/headers.ts";

/** Metadata by which a gRPC server says when to try again, in milliseconds (gRPC proposal A6). */
export const pushbackHeader = "grpc-retry-pushback-ms";

/**
 * What a server says about the next attempt, in milliseconds: `grpc-retry-pushback-ms`, else `Retry-After` (RFC 9110,
 * seconds or a date), else the `t` of a spent `RateLimit` (`draft-ietf-httpapi-ratelimit-headers`).
 *
 * A value that cannot be understood, or a negative one, means "do not": it gives `Infinity`.
 *
 * @param wallClock - milliseconds since the epoch, for dates of servers that do not tell their own time
 */
export function pushbackFrom(headers: HeaderSource, wallClock: () => number = Date.now): number | undefined {
  const pushback = headers.get(pushbackHeader);
  if (pushback != null) return wholeNumber(pushback);
  const retryAfter = headers.get("retry-after");
  if (retryAfter != null) return retryAfterMs(retryAfter, headers.get("date"), wallClock);
  const rateLimit = headers.get("ratelimit");
  return rateLimit == null ? undefined : rateLimitMs(rateLimit);
}

function wholeNumber(value: string): number {
  const text = value.trim();
  return /^\d+$/.test(text) ? Number(text) : Infinity;
}

function retryAfterMs(value: string, serverDate: string | null | undefined, wallClock: () => number): number {
  const text = value.trim();
  // Date.parse alone would take "-5" and "1.5" for dates.
  if (!/^[A-Za-z]/.test(text)) return wholeNumber(text) * 1000;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return Infinity;
  // The server's own clock, when it tells: the two need not agree.
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
    if (renewal !== undefined) wait = Math.max(wait ?? 0, wholeNumber(renewal) * 1000);
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
