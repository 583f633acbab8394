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

/** Versions of TLS that can be asked for; older ones are spoken by nobody here. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** What a process shows to others, whom it trusts, and how it speaks TLS. Certificates and keys are PEM text, not files. */
export interface TlsOptions {
  /** The certificate chain to show, leaf first; given with `key`. @default none: a client without a name of its own */
  readonly cert?: string;
  /** The private key of the leaf (PKCS#8, PKCS#1 or SEC1). */
  readonly key?: string;
  /** Decrypts an encrypted `key`. */
  readonly passphrase?: string;
  /**
   * The authorities that peers must chain to: PEM text, `"default"` (what the runtime trusts when nobody says anything, with
   * what its environment adds), `"system"` (the operating system's store), or a list of these; only they are trusted.
   * Clients' certificates are accepted of the authorities given as PEM alone: anybody gets one of a public authority.
   *
   * @default "default"
   */
  readonly ca?: string | readonly string[];
  /** The oldest version of TLS that is spoken. @default "TLSv1.2" */
  readonly minVersion?: TlsVersion;
  /**
   * The cipher suites that are used, best first, as OpenSSL names them: `"TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384"`.
   * Only Node can choose them (capability `tlsCiphers`).
   *
   * @default the runtime's
   */
  readonly ciphers?: string;
}

/** The usual {@link TlsOptions}: an identity, and the authorities that peers must chain to. */
export interface TlsIdentity extends TlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Who a server must be, where that is not what its address says. */
export interface ServerIdentity {
  /**
   * The name that is asked for (SNI) and that the certificate must be for: for endpoints that are found by IP address.
   *
   * @default the host of the endpoint's origin
   */
  readonly serverName?: string;
  /**
   * The SPIFFE ID that the certificate must hold, or several of which it must hold one. It takes the place of the
   * certificate's name; where `serverName` is given as well, both must hold.
   *
   * @default the name alone is verified
   */
  readonly spiffeId?: string | readonly string[];
}
