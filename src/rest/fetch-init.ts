import type { Call } from "../core/call.ts";
import { checkCallLinks } from "../core/call-links.ts";
import { checkObject, checkWord, nearestName, type OptionKeys } from "../core/options.ts";
import type { CallOverrides } from "../policy/call-policy.ts";
import type { RestBody } from "./rest-body.ts";

/** What `mesh.fetch` takes beside the standard `RequestInit`. */
export interface MeshFetchInit
  extends Omit<RequestInit, "body" | "priority">,
    Omit<CallOverrides, "priority"> {
  /**
   * 0 matters most, higher numbers less, for layers of the application's own. The standard's words are about the order of downloads in a page, and left alone.
   *
   * @default the policies', else that of the call on whose behalf it is made, or 0
   */
  readonly priority?: number | "high" | "low" | "auto";
  readonly body?: RestBody | RequestInit["body"];
  /** The whole exchange, redirects and the reading of the response included, in milliseconds. @default the policy's, 30_000 */
  readonly timeoutMs?: number;
  /**
   * The largest response body, in bytes: one that grows beyond it is cancelled, and reading it fails with
   * `ERR_BODY_TOO_LARGE`. @default no limit, as with the platform's own
   */
  readonly maxResponseBytes?: number;
  /** The call on whose behalf this one is made; `null` cuts the tie. @default the call whose handler runs now */
  readonly parent?: Call | null;
  /** What metrics and traces call it. @default the method */
  readonly operation?: string;
}

const who = "a request of mesh.fetch()";

/** What the mesh adds to the standard's `RequestInit`. */
const own: OptionKeys<Omit<MeshFetchInit, keyof RequestInit>> = {
  timeoutMs: true,
  retry: true,
  idempotent: true,
  waitForReady: true,
  maxResponseBytes: true,
  parent: true,
  operation: true,
};

/** The standard's, and those of runtimes that are nearly spelt like the mesh's own. */
const others: ReadonlySet<string> = new Set([
  "body",
  "cache",
  "credentials",
  "headers",
  "integrity",
  "keepalive",
  "method",
  "mode",
  "priority",
  "redirect",
  "referrer",
  "referrerPolicy",
  "signal",
  "window",
  "agent",
  "client",
]);

/**
 * Checks what `fetch` is given beside a URL. Options of other implementations of `fetch` pass, as everywhere; one that is
 * nearly the mesh's own does not.
 *
 * @throws TypeError when it makes no sense
 */
export function checkFetchInit(init: MeshFetchInit): void {
  if (!(init instanceof Request)) checkObject(who, init);
  for (const key of Object.keys(init)) {
    if (Object.hasOwn(own, key) || others.has(key)) continue;
    if (key === "json") {
      throw new TypeError(
        `Cannot make ${who}: it has no option "json"; pass body: JSON.stringify(…), or use mesh.rest()`,
      );
    }
    const meant = nearestName(key, Object.keys(own));
    if (meant === undefined) continue;
    throw new TypeError(`Cannot make ${who}: it has no option "${key}"; did you mean "${meant}"?`);
  }
  const { method, redirect, parent, operation, signal } = init;
  if (method !== undefined && typeof method !== "string") {
    throw new TypeError(`Cannot make ${who}: method is ${typeof method}; pass text such as "POST"`);
  }
  checkWord(who, "redirect", redirect, ["follow", "error", "manual"]);
  checkCallLinks(who, { parent, operation, signal: signal ?? undefined });
}
