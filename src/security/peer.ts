import type { PeerIdentity, Principal } from "../core/identity.ts";
import { isPlainName, resemblesSpiffeId } from "./spiffe.ts";

/** One principal for each certificate: a connection carries many requests. */
const known = new WeakMap<PeerIdentity, Principal | { readonly id: "" }>();

/**
 * The principal that a proven certificate stands for: its SPIFFE ID, else its common name; undefined when it has
 * neither.
 *
 * A common name that resembles a SPIFFE ID or holds control characters is not used, nor is that of a certificate with a
 * SPIFFE URI that is not valid: access control by name must not be deceived.
 */
export function principalFromPeer(peer: PeerIdentity): Principal | undefined {
  let principal = known.get(peer);
  if (principal === undefined) {
    const id = peer.spiffeId ?? (isNamed(peer) ? peer.commonName : "");
    principal = id === "" ? { id } : { id, kind: "peer", claims: {} };
    known.set(peer, principal);
  }
  return "kind" in principal ? principal : undefined;
}

/** Whether the common name may stand for a peer that has no SPIFFE ID. */
function isNamed({ commonName, subjectAltNames }: PeerIdentity): boolean {
  if (!isPlainName(commonName) || resemblesSpiffeId(commonName)) return false;
  return !subjectAltNames.uri.some(resemblesSpiffeId);
}
