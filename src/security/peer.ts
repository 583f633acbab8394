import type { PeerIdentity, Principal } from "../core/identity.ts";

/** One principal for each certificate: a connection carries many requests. */
const known = new WeakMap<PeerIdentity, Principal | { readonly id: "" }>();

/**
 * The principal that a proven certificate stands for: its SPIFFE ID, else its common name; undefined when it
 * has neither.
 */
export function principalFromPeer(peer: PeerIdentity): Principal | undefined {
  let principal = known.get(peer);
  if (principal === undefined) {
    const id = peer.spiffeId ?? peer.commonName;
    principal = id === "" ? { id } : { id, kind: "peer", claims: {} };
    known.set(peer, principal);
  }
  return "kind" in principal ? principal : undefined;
}
