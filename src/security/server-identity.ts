import type { ServerIdentity } from "../core/identity.ts";
import { checkOptions, type OptionKeys } from "../core/options.ts";
import { isSpiffeId } from "./spiffe.ts";

const knownServerIdentity: OptionKeys<ServerIdentity> = { serverName: true, spiffeId: true };

const dnsName =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
/** An IPv4 address would pass for a name. */
const address = /^[\d.]+$/;

/**
 * Checks who a server must be, where it is said: one that is misspelt would let nobody in, or anybody.
 *
 * @param who - what is being made, as the reader writes it
 * @throws TypeError
 */
export function checkServerIdentity(who: string, identity: ServerIdentity | undefined): void {
  if (identity === undefined) return;
  checkOptions(`${who} tls`, identity, knownServerIdentity);
  const wrong = (what: string, remedy: string): TypeError =>
    new TypeError(`Cannot make ${who}: ${what}; pass ${remedy}`);
  const { serverName, spiffeId } = identity as { serverName?: unknown; spiffeId?: unknown };
  if (serverName !== undefined) {
    const fits = typeof serverName === "string" && dnsName.test(serverName) && !address.test(serverName);
    if (!fits)
      throw wrong(`tls.serverName is ${JSON.stringify(serverName)}`, "a DNS name, without scheme and port");
  }
  if (spiffeId === undefined) return;
  const ids: readonly unknown[] = Array.isArray(spiffeId) ? spiffeId : [spiffeId];
  if (ids.length === 0) throw wrong("tls.spiffeId is an empty list", "at least one ID, or leave it out");
  for (const id of ids) {
    if (typeof id === "string" && isSpiffeId(id)) continue;
    throw wrong(
      `tls.spiffeId is ${JSON.stringify(id)}`,
      "an ID such as spiffe://example.org/lake, or a list of them",
    );
  }
}
