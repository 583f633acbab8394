import { type TlsReason, TransportError, type TransportFault } from "../../core/errors.ts";
import type { ServerIdentity, TlsOptions } from "../../core/identity.ts";
import { nodeCrypto } from "../platform/builtin.ts";
import { defaultMinVersion } from "./client-tls.ts";
import { dateText, ownCertificate, shortName } from "./own-certificate.ts";
import { alertIn, otherScheme, PeerRefusal } from "./tls-failure.ts";

/** What a client was connecting to, and with what. */
export interface TlsTarget {
  readonly origin: string;
  readonly tls: TlsOptions | undefined;
  readonly server?: ServerIdentity | undefined;
}

const isDeno = "Deno" in globalThis;

/** Why the chain of a server's certificate is not accepted, with what the certificate says. */
export function chainRefusal(reason: TlsReason, der: Uint8Array, now: number = Date.now()): PeerRefusal {
  const { validFrom, validTo, issuer, subject, ca } = new (nodeCrypto().X509Certificate)(der);
  const which = `the server's certificate (${shortName(der)})`;
  // Deno has one code for whatever it does not accept.
  if (Date.parse(validTo) < now)
    return new PeerRefusal("expired", `${which} expired on ${dateText(validTo)}`);
  if (Date.parse(validFrom) > now) {
    return new PeerRefusal("not-yet-valid", `${which} is not valid before ${dateText(validFrom)}`);
  }
  if (isDeno && ca)
    return new PeerRefusal("bad-certificate", `${which} is that of an authority, which no server may use`);
  if (reason !== "unknown-authority") return new PeerRefusal(reason, `${which} ${unusable(reason)}`);
  const by = issuer === subject ? "is self-signed" : `was issued by ${issuer.replaceAll("\n", ", ")}`;
  return new PeerRefusal(
    "unknown-authority",
    `${which} ${by}, which is no authority that is trusted here; add the authority to tls.ca`,
  );
}

function unusable(reason: TlsReason): string {
  return reason === "revoked" ? "was revoked" : "cannot be used for a server";
}

/** Reasons that say more when the certificate has been looked at. */
const plainTexts: Partial<Record<TlsReason, string>> = {
  expired: "the server's certificate has expired",
  "not-yet-valid": "the server's certificate is not valid yet",
  "unknown-authority":
    "the server's certificate is of no authority that is trusted here; add the authority to tls.ca",
  "wrong-name": "the server's certificate is for another name",
  revoked: "the server's certificate was revoked",
  "bad-certificate": "the server's certificate cannot be used for a server",
  "certificate-required":
    "the server demands a client's certificate and was given none; give the mesh one with tls: { cert, key }",
  "no-common-cipher": "the server shares no cipher suite with us; see tls.ciphers on both sides",
};

/** Why TLS failed, as the end of a sentence. */
function textOf(reason: TlsReason, error: Error, { origin, tls }: TlsTarget): string {
  if (error instanceof PeerRefusal) return error.message;
  switch (reason) {
    case "plaintext":
      return `this port speaks plain HTTP; use ${otherScheme(origin)}`;
    case "tls-required":
      return `this port expects TLS; use ${otherScheme(origin)}`;
    case "certificate-refused": {
      const own = ownCertificate(tls);
      const alert = alertIn(error);
      const why = own?.outOfTime ?? (alert === "" ? "it did not say why" : `it says "${alert}"`);
      return `the server refused ${own?.name ?? "our certificate"}: ${why}`;
    }
    case "no-common-version":
      return `the server speaks no version of TLS that is allowed here (${tls?.minVersion ?? defaultMinVersion} or newer)`;
    default:
      return plainTexts[reason] ?? `the TLS handshake failed: ${error.message.trim()}`;
  }
}

/**
 * The error of TLS that failed.
 *
 * @param doing - how the message begins: `Cannot connect to https://lake:7101`
 */
export function tlsFailure(
  doing: string,
  target: TlsTarget,
  reason: TlsReason,
  cause: Error,
): TransportError {
  return new TransportError("tls", `${doing}: ${textOf(reason, cause, target)}`, {
    cause,
    tlsReason: reason,
  });
}

/**
 * The error of a connection that the server closed after the handshake, without a word: some (those on Node) refuse a
 * client's certificate in this way. Undefined unless ours is one that nobody can accept, or there is nothing to add.
 */
export function silentRefusal(
  doing: string,
  { tls }: Pick<TlsTarget, "tls">,
  fault: TransportFault,
  cause: unknown,
): TransportError | undefined {
  const own = ownCertificate(tls);
  if (own?.outOfTime === undefined) return undefined;
  return new TransportError(fault, `${doing}: the server refused ${own.name}: ${own.outOfTime}`, {
    cause,
    tlsReason: "certificate-refused",
  });
}

/** The error of a server that speaks TLS where it was called in the clear. */
export function tlsRequired(doing: string, origin: string, cause?: unknown): TransportError {
  return new TransportError("tls", `${doing}: this port expects TLS; use ${otherScheme(origin)}`, {
    cause,
    tlsReason: "tls-required",
  });
}
