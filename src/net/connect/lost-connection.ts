import { isTransportError, type TransportError } from "../../core/errors.ts";
import { silentRefusal, type TlsTarget, tlsFailure } from "../tls/client-failure.ts";
import { otherScheme, tlsErrorIn } from "../tls/tls-failure.ts";

/**
 * The fault that the end of a connection tells of, beside that it ended: a server that refuses our certificate may say so
 * after the handshake, or not at all.
 *
 * @param error - what the socket said, if anything
 * @param heard - whether anything ever came
 */
export function faultOfLoss(target: TlsTarget, error: unknown, heard: boolean): TransportError | undefined {
  if (isTransportError(error)) {
    return error.neverStarted || error.tlsReason !== undefined ? error : undefined;
  }
  const { origin } = target;
  const ofTls = tlsErrorIn(error);
  if (ofTls !== undefined)
    return tlsFailure(`Cannot connect to ${origin}`, target, ofTls.reason, ofTls.error);
  if (heard || !origin.startsWith("https:")) return undefined;
  return silentRefusal(`The connection to ${origin} was lost`, target, "reset", error);
}

/** The end of the sentence: many servers of TLS close without a word when they are called in the clear. */
export function hintOfLoss(origin: string, heard: boolean): string {
  if (heard || origin.startsWith("https:")) return "";
  return ` before anything came; if this port expects TLS, use ${otherScheme(origin)}`;
}
