import { checkCallLinks } from "../core/call-links.ts";
import { checkObject, checkWord, nearestName, type OptionKeys } from "../core/options.ts";
import type { MeshFetchInit } from "./mesh-fetch.ts";

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
