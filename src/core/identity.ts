/** Who is at the other end of the connection, read from the certificate it proved to own. */
export interface PeerIdentity {
  /** Distinguished name of the subject, for example `CN=lake,O=Datapunk`. */
  readonly subject: string;
  /** Common name of the subject; empty when it has none. */
  readonly commonName: string;
  /** Subject alternative names, by kind. */
  readonly subjectAltNames: {
    readonly dns: readonly string[];
    readonly uri: readonly string[];
    readonly ip: readonly string[];
    readonly email: readonly string[];
  };
  /**
   * The SPIFFE ID: the only URI among the alternative names, when it is valid and the certificate is no authority's.
   * Undefined otherwise, also when there is a second URI of any kind.
   */
  readonly spiffeId: string | undefined;
  /** SHA-256 of the DER certificate: 64 lower-case hex digits. */
  readonly fingerprint256: string;
}

/** On whose behalf a call is made: what security found out, and access control decides on. */
export interface Principal {
  /**
   * The stable name: SPIFFE ID or common name of a peer, subject of a token. That of a peer begins with `spiffe://`
   * only where it is its SPIFFE ID.
   */
  readonly id: string;
  readonly kind: "peer" | "token";
  /** What the token says beside its subject; empty for a peer. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The identity a process shows to others and the roots it trusts, as PEM text. */
export interface TlsIdentity {
  /** The certificate chain, leaf first. */
  readonly cert: string;
  /** The private key of the leaf (PKCS#8, PKCS#1 or SEC1). */
  readonly key: string;
  /** The authorities that peers must chain to; only these are trusted. */
  readonly ca: string;
}
