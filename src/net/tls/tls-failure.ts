import type { TlsReason } from "../../core/errors.ts";

/** A server whose certificate belongs to another one. */
export class PeerRefusal extends Error {
  override readonly name: string = "PeerRefusal";
  readonly tlsReason: TlsReason;

  /** @param message - what is wrong, as the end of a sentence */
  constructor(tlsReason: TlsReason, message: string) {
    super(message);
    this.tlsReason = tlsReason;
  }
}

/** Codes of OpenSSL's verification, which all runtimes use, for the certificate of the other side. */
const byCode: Readonly<Record<string, TlsReason>> = {
  CERT_HAS_EXPIRED: "expired",
  CERT_NOT_YET_VALID: "not-yet-valid",
  CERT_REVOKED: "revoked",
  SELF_SIGNED_CERT_IN_CHAIN: "unknown-authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "unknown-authority",
  UNABLE_TO_GET_ISSUER_CERT: "unknown-authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknown-authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknown-authority",
  CERT_UNTRUSTED: "unknown-authority",
  INVALID_CA: "unknown-authority",
  CERT_REJECTED: "bad-certificate",
  CERT_SIGNATURE_FAILURE: "bad-certificate",
  CERT_CHAIN_TOO_LONG: "bad-certificate",
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: "bad-certificate",
  INVALID_PURPOSE: "bad-certificate",
  HOSTNAME_MISMATCH: "wrong-name",
  ERR_TLS_CERT_ALTNAME_INVALID: "wrong-name",
  EPROTO: "handshake",
};

/**
 * What follows `ERR_SSL_`, by part: OpenSSL (Node), BoringSSL (Bun) and rustls as Deno shows it spell it a little
 * differently. The first that fits.
 */
const bySslCode: readonly (readonly [RegExp, TlsReason])[] = [
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE|ALERT_CERTIFICATE_REQUIRED/, "certificate-required"],
  [
    /ALERT_(?:BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED)/,
    "certificate-refused",
  ],
  [/ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/, "no-common-version"],
  [/NO_SHARED_CIPHER|ALERT_INSUFFICIENT_SECURITY/, "no-common-cipher"],
  [/^ERR_SSL_(?:WRONG_VERSION_NUMBER|HTTPS?_(?:PROXY_)?REQUEST|PACKET_LENGTH_TOO_LONG)/, "plaintext"],
];

/** What Deno has one code for, and tells apart in words. */
const byRustlsWords: readonly (readonly [RegExp, TlsReason])[] = [
  [/received fatal alert: CertificateRequired/, "certificate-required"],
  [/peer is incompatible: (?:Tls1[23]|SupportedVersions)/, "no-common-version"],
  [/peer is incompatible: NoCipherSuitesInCommon/, "no-common-cipher"],
];

const tlsCode = /^ERR_(?:SSL|TLS)_/;

/** Why TLS failed, by one error of a platform, without its causes; undefined when it is about something else. */
export function tlsReasonOfOne(error: Error): TlsReason | undefined {
  if (error instanceof PeerRefusal) return error.tlsReason;
  const { code } = error as { code?: unknown };
  if (typeof code !== "string") return undefined;
  if (Object.hasOwn(byCode, code)) return byCode[code];
  if (!tlsCode.test(code)) return undefined;
  for (const [pattern, reason] of byRustlsWords) if (pattern.test(error.message)) return reason;
  for (const [pattern, reason] of bySslCode) if (pattern.test(code)) return reason;
  return "handshake";
}

const deepestCause = 6;

/** The innermost error that says why TLS failed, with the reason. */
export function tlsErrorIn(
  error: unknown,
): { readonly error: Error; readonly reason: TlsReason } | undefined {
  let found: { error: Error; reason: TlsReason } | undefined;
  let at = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    const reason = tlsReasonOfOne(at);
    if (reason !== undefined) found = { error: at, reason };
    const inner: unknown = (at as AggregateError).errors?.[0];
    at = at.cause ?? inner;
  }
  return found;
}

/** The alert by which the other side refused our certificate, in words: `unknown ca`. */
export function alertIn(error: Error): string {
  const { code } = error as { code?: unknown };
  const alert = typeof code === "string" ? /ALERT_(\w+)$/.exec(code)?.[1] : undefined;
  return alert === undefined ? "" : alert.toLowerCase().replaceAll("_", " ");
}

/** How every record of TLS begins that tells of an error: the type of an alert, and the major version. */
const alertStart = [0x15, 0x03];
/** What servers of HTTPS say, in the clear, to whoever speaks HTTP to them: ours, nginx, and those in Go. */
const plainRefusal =
  /this port expects TLS|plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server/i;

/** Whether a response in the clear says that the port expects TLS. */
export function expectsTls(bytes: Uint8Array): boolean {
  if (bytes[0] === alertStart[0] && bytes[1] === alertStart[1]) return true;
  return plainRefusal.test(String.fromCharCode(...bytes.subarray(0, 1024)));
}

/** The same port by the other scheme, as far as it is known. */
export function otherScheme(origin: string): string {
  return origin.startsWith("https:") ? `http:${origin.slice(6)}` : `https:${origin.replace(/^http:/, "")}`;
}
