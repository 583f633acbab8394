/**
 * The adapter for Node: `createMesh` picks it by itself; import it to name it explicitly.
 *
 * @module
 */

import { messageCompressions } from "../../net/compression.ts";
import { openRpcTransport } from "../../net/connect/rpc-transport.ts";
import { openHttpTransport } from "../../net/connect/undici-transport.ts";
import { asyncContext } from "../../net/platform/async-context.ts";
import { serverCapabilities } from "../../net/platform/capabilities.ts";
import { onSignals } from "../../net/platform/signals.ts";
import { faultOf } from "../../net/platform/socket-fault.ts";
import type { Capabilities, Runtime } from "../../net/port.ts";
import { checkNodeVersion } from "./minimum-version.ts";

// The other runtimes say which Node they are like, which proves nothing.
if (!("Deno" in globalThis) && !("Bun" in globalThis)) checkNodeVersion(process.versions.node);

/** What Node can do. */
export const capabilities: Capabilities = { ...serverCapabilities, fetchBidi: false };

/** The adapter for Node: undici and an HTTP/2 engine of our own to call, engines of our own for both versions of HTTP to serve. */
export const runtime: Runtime = {
  name: "node",
  capabilities,
  openHttpTransport,
  openRpcTransport,
  messageCompressions,
  // Loaded when a port opens: a program that only calls others does without.
  listen: async (options) => (await import("../../net/listen/listen.ts")).listen(options),
  faultOf,
  asyncContext,
  onSignals,
} satisfies Runtime;
