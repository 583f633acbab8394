import { type TlsReason, TransportError } from "../../core/errors.ts";
import { alertIn, tlsErrorIn, tlsReasonOfOne } from "./tls-failure.ts";

const texts: Readonly<Record<TlsReason, string>> = {
  expired: "its certificate is not valid any more",
  "not-yet-valid": "its certificate is not valid yet",
  "unknown-authority":
    "its certificate cannot be verified: it is of no authority in tls.ca, or out of its time",
  revoked: "its certificate was revoked",
  "wrong-name": "its certificate is for another name",
  "wrong-identity": "its certificate is for another identity",
  "bad-certificate": "its certificate cannot be used for a client",
  "certificate-required": 'it showed no certificate, and clientAuth is "require"',
  "certificate-refused": "it does not accept the certificate of this server",
  plaintext: "it speaks no TLS, and this port expects it; clients must use https://",
  "tls-required": "it began a TLS handshake, and this port speaks plain HTTP; clients must use http://",
  "no-common-version": "it speaks no version of TLS that is allowed here; see tls.minVersion",
  "no-common-cipher": "it shares no cipher suite with this server; see tls.ciphers",
  handshake: "the TLS handshake failed",
};

function serverFailure(
  remoteAddress: string,
  reason: TlsReason,
  detail: string,
  cause?: unknown,
): TransportError {
  const from = remoteAddress === "" ? "" : ` from ${remoteAddress}`;
  const more = detail === "" ? "" : ` (${detail})`;
  return new TransportError("tls", `Cannot accept a connection${from}: ${texts[reason]}${more}`, {
    cause,
    tlsReason: reason,
  });
}

/**
 * The error of a handshake that failed on the side of the server.
 *
 * @param refused - the code of a certificate that was refused: the error itself may say no more than that the socket was closed
 */
export function handshakeFailure(error: Error, refused: unknown, remoteAddress: string): TransportError {
  const reason =
    typeof refused === "string" && refused !== ""
      ? tlsReasonOfOne(Object.assign(new Error(refused), { code: refused }))
      : undefined;
  if (reason !== undefined) return serverFailure(remoteAddress, reason, "", error);
  const found = tlsErrorIn(error);
  if (found === undefined) return serverFailure(remoteAddress, "handshake", error.message.trim(), error);
  const detail = found.reason === "handshake" ? error.message.trim() : alertIn(found.error);
  return serverFailure(remoteAddress, found.reason, detail, error);
}

/** The error of a client that speaks TLS to a port in the clear. */
export function tlsOnPlainPort(remoteAddress: string): TransportError {
  return serverFailure(remoteAddress, "tls-required", "");
}
