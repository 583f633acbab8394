/**
 * The adapter for Node: `createMesh` picks it by itself; import it to name it explicitly.
 *
 * @module
 */
import { asyncContext } from "../http2/async-context.ts";
import { serverCapabilities } from "../http2/capabilities.ts";
import { faultOf } from "../http2/fault.ts";
import { listen } from "../http2/listen.ts";
import { messageCompressions } from "../http2/message-compression.ts";
import { openRpcLeaf } from "../http2/rpc-leaf.ts";
import { onSignals } from "../http2/signals.ts";
import { openHttpLeaf } from "../http2/undici-leaf.ts";
import type { Capabilities, Runtime } from "../port.ts";

/** What Node can do. */
export const capabilities: Capabilities = { ...serverCapabilities, fetchBidi: false };

/** The adapter for Node: undici and an HTTP/2 engine of our own to call, engines of our own for both versions of HTTP to serve. */
export const runtime: Runtime = {
  name: "node",
  capabilities,
  openHttpLeaf,
  openRpcLeaf,
  messageCompressions,
  listen,
  faultOf,
  asyncContext,
  onSignals,
} satisfies Runtime;
