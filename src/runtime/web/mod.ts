/**
 * The adapter for any platform with `fetch`: browsers, and edge platforms without one of their own.
 *
 * @module
 */

import type { Capabilities, Runtime } from "../../net/port.ts";
import type { FetchFunction } from "../../rest/fetch-transport.ts";
import { createEdgeRuntime } from "./edge-runtime.ts";
import { faultOf } from "./fault.ts";

export type { FetchFunction } from "../../rest/fetch-transport.ts";

/** What any platform with `fetch` can do. */
export const capabilities: Capabilities = {
  listen: false,
  mtlsClient: false,
  mtlsServer: false,
  serverIdentity: false,
  tlsCiphers: false,
  grpcClient: false,
  grpcServer: false,
  fetchBidi: false,
  asyncContext: false,
  signals: false,
};

/** Options of {@link createWebRuntime}. */
export interface WebRuntimeOptions {
  /** What sends instead of the platform's own `fetch`: one that is bound to a certificate, or to a proxy. */
  readonly fetch?: FetchFunction;
}

/**
 * Makes the adapter for any platform with `fetch` and nothing else, over a `fetch` of your own.
 *
 * @example
 * ```ts
 * const mesh = createMesh({ service: "page", runtime: createWebRuntime({ fetch: myFetch }) });
 * ```
 */
export function createWebRuntime(options: WebRuntimeOptions = {}): Runtime {
  return createEdgeRuntime({
    name: "web",
    capabilities,
    // Looked up at each request, so that one that is replaced later (by a tracer, a test) is used.
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    faultOf,
    asyncContext: undefined,
    insteadOfPem:
      "let the platform hold the certificate, and pass a fetch that is bound to it: createMesh({ runtime: createWebRuntime({ fetch }) })",
  });
}

/** The adapter for any platform with `fetch` and nothing else: browsers, and edge platforms without an adapter of their own. */
export const runtime: Runtime = createWebRuntime();
