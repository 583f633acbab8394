import type { PeerIdentity } from "./identity.ts";

/** What a server knows of the connection that a request came by. */
export interface Connection {
  /** IP address of the other end; empty where the platform does not tell. */
  readonly remoteAddress: string;
  /** Whether the connection itself is TLS. */
  readonly encrypted: boolean;
  /** `1.1` or `2`; empty where the platform does not tell. */
  readonly httpVersion: string;
  /** The certificate that the peer proved to own; undefined when it showed none. Read once per connection. */
  readonly peer: PeerIdentity | undefined;
}
