import { runtime } from "#runtime";
import type { Capabilities } from "../../src/net/port.ts";

/**
 * The options of a test that only some runtimes can run: skips it, naming the capability, where the runtime's
 * own table says it is missing. The runner accepts no other reason to run fewer tests than the others.
 *
 * @example
 * it("refuses a client without a certificate", unless("mtlsServer"), async () => {});
 */
export function unless(...capabilities: (keyof Capabilities)[]): { readonly skip: string | false } {
  const missing = capabilities.filter((capability) => !runtime.capabilities[capability]);
  return { skip: missing.length > 0 && `capability: ${missing.join(", ")} (${runtime.name} lacks it)` };
}
