/**
 * The adapter for workerd: `createMesh` picks it by itself; import it to bind a certificate.
 *
 * @module
 */

import type { Capabilities, Runtime } from "../../net/port.ts";
import type { FetchFunction } from "../../rest/fetch-transport.ts";
import { createEdgeRuntime } from "../web/edge-runtime.ts";
import { asyncContext } from "./async-context.ts";
import { faultOf } from "./fault.ts";

export type { FetchFunction } from "../../rest/fetch-transport.ts";

/** What workerd (Cloudflare Workers) can do. */
export const capabilities: Capabilities = {
  listen: false,
  mtlsClient: false,
  mtlsServer: false,
  serverIdentity: false,
  tlsCiphers: false,
  grpcClient: false,
  grpcServer: false,
  fetchBidi: true,
  asyncContext: asyncContext !== undefined,
  signals: false,
};

/** Options of {@link createWorkerdRuntime}. */
export interface WorkerdRuntimeOptions {
  /** What sends instead of the global `fetch`: that of a certificate binding or of a service binding. */
  readonly fetch?: FetchFunction;
}

/**
 * Makes the adapter for workerd over a `fetch` of your own. A certificate binding's `fetch` presents its
 * certificate to the services that are called: so calls leave the edge with an identity.
 *
 * @example
 * ```ts
 * const runtime = createWorkerdRuntime({ fetch: (url, init) => env.MY_CERT.fetch(url, init) });
 * const mesh = createMesh({ service: "edge", runtime });
 * ```
 */
export function createWorkerdRuntime(options: WorkerdRuntimeOptions = {}): Runtime {
  return createEdgeRuntime({
    name: "workerd",
    capabilities,
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    faultOf,
    asyncContext,
    insteadOfPem:
      "bind the certificate to the worker (mtls_certificates), and call through it: createMesh({ runtime: createWorkerdRuntime({ fetch: (url, init) => env.MY_CERT.fetch(url, init) }) })",
  });
}

/** The adapter for workerd (Cloudflare Workers). */
export const runtime: Runtime = createWorkerdRuntime();
