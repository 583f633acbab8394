import { isMeshError } from "../core/errors.ts";
import type { ResponsePromise } from "./response-promise.ts";
import type { RestOptions } from "./rest-options.ts";
import type { RestResponse } from "./rest-response.ts";

/** What a service says of itself. */
export interface RestHealth {
  /** Whether the process responds (`/healthz`). */
  readonly live: boolean;
  /** Whether it wants traffic (`/readyz`). */
  readonly ready: boolean;
  /** `unreachable` when it did not respond at all. */
  readonly status: "serving" | "not_serving" | "unreachable";
  /** The body of `/readyz`, parsed if it is JSON; the failure's message when it is unreachable. */
  readonly details: unknown;
}

/** Asks `/healthz` and `/readyz`, in parallel. */
export async function restHealth(
  request: (method: string, path: string, options: RestOptions) => ResponsePromise,
  options: Pick<RestOptions, "timeoutMs" | "signal" | "parent"> = {},
): Promise<RestHealth> {
  const ask = (path: string): Promise<RestResponse | Error> =>
    request("GET", path, { ...options, operation: `GET /${path}`, throwHttpErrors: false }).catch(
      unreachable,
    );
  const [live, ready] = await Promise.all([ask("healthz"), ask("readyz")]);
  const isLive = !(live instanceof Error) && live.ok;
  const isReady = !(ready instanceof Error) && ready.ok;
  if (live instanceof Error && ready instanceof Error) {
    return { live: false, ready: false, status: "unreachable", details: live.message };
  }
  return {
    live: isLive,
    ready: isReady,
    status: isLive && isReady ? "serving" : "not_serving",
    details: ready instanceof Error ? ready.message : await detailsOf(ready),
  };
}

/** Only what the mesh raised says something about the service; the rest is a mistake in the program. */
function unreachable(error: unknown): Error {
  if (isMeshError(error)) return error;
  throw error;
}

async function detailsOf(response: RestResponse): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
