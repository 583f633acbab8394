import type { TlsOptions } from "../../core/identity.ts";
import { nodeCrypto } from "../platform/builtin.ts";
import { peerIdentityFromDer } from "./peer-identity.ts";

/** A date as certificates have them, to the second. */
export function dateText(text: string): string {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : `${at.toISOString().slice(0, 19)}Z`;
}

/** Whose certificate it is, in short: the SPIFFE ID, else the subject. */
export function shortName(der: Uint8Array): string {
  try {
    const { spiffeId, subject } = peerIdentityFromDer(der);
    return spiffeId ?? (subject === "" ? "without a name" : subject);
  } catch {
    return "that cannot be read";
  }
}

/** What is wrong with the certificate that a process shows. */
export interface OwnCertificate {
  /** In words: `our certificate (CN=gateway)`. */
  readonly name: string;
  /** Why nobody can accept it now, as the end of a sentence; undefined when it is in its time. */
  readonly outOfTime: string | undefined;
}

/** A look at the own certificate, for the errors of those who do not accept it; undefined when there is none. */
export function ownCertificate(
  tls: TlsOptions | undefined,
  now: number = Date.now(),
): OwnCertificate | undefined {
  if (tls?.cert === undefined) return undefined;
  try {
    const leaf = new (nodeCrypto().X509Certificate)(tls.cert);
    const name = `our certificate (${shortName(new Uint8Array(leaf.raw))})`;
    if (Date.parse(leaf.validTo) < now) return { name, outOfTime: `expired on ${dateText(leaf.validTo)}` };
    if (Date.parse(leaf.validFrom) > now) {
      return { name, outOfTime: `is not valid before ${dateText(leaf.validFrom)}` };
    }
    return { name, outOfTime: undefined };
  } catch {
    return undefined;
  }
}
