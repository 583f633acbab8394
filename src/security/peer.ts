import type { PeerIdentity, Principal } from "../core/identity.ts";
import { isPlainName, resemblesSpiffeId } from "./spiffe.ts";

/** One principal for each certificate: a connection carries many requests. */
const known = new WeakMap<PeerIdentity, Principal | { readonly id: "" }>();

/**
 * The principal that a proven certificate stands for: its SPIFFE ID, else its common name; undefined when it has
 * neither.
 *
 * A common name that resembles a SPIFFE ID or holds control characters is nobody's name, and neither is that of a
 * certificate which means to be an SVID and is none: whoever decides by names must not be deceived by one.
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
