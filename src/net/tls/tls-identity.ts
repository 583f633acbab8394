import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { MeshError } from "../../core/errors.ts";
import type { TlsIdentity } from "../../core/identity.ts";

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

function broken(part: "cert" | "key" | "ca", problem: string, remedy: string, cause?: unknown): MeshError {
  return new MeshError("ERR_TLS_CONFIG", `Cannot use tls.${part}: ${problem}; ${remedy}`, { cause });
}

function certificatesOf(part: "cert" | "ca", pem: unknown): X509Certificate[] {
  const what = part === "cert" ? "certificate chain, leaf first" : "certificates of the authorities to trust";
  const remedy = `give the ${what}, as PEM text`;
  if (typeof pem !== "string")
    throw broken(part, `it is ${pem === null ? "null" : typeof pem}, not PEM text`, remedy);
  const blocks = pem.match(certificateBlock);
  if (blocks === null) {
    const path =
      pem.length < 4096 && !pem.includes("\n") && pem !== ""
        ? " (it looks like a file name: read the file)"
        : "";
    throw broken(part, `there is no BEGIN CERTIFICATE block in it${path}`, remedy);
  }
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw broken(part, `certificate ${index + 1} of ${blocks.length} does not parse`, remedy, cause);
    }
  });
}

function keyOf(pem: unknown): KeyObject {
  const remedy = "give the leaf's private key as unencrypted PEM text (PKCS#8, PKCS#1 or SEC1)";
  if (typeof pem !== "string")
    throw broken("key", `it is ${pem === null ? "null" : typeof pem}, not PEM text`, remedy);
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw broken("key", "it is encrypted", remedy);
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw broken("key", "it does not parse", remedy, cause);
  }
}

/**
 * Checks an identity before anything listens or connects with it, because the runtimes report a broken
 * one late, differently, or (a key of another certificate) only as a failed handshake.
 *
 * @throws MeshError `ERR_TLS_CONFIG`, naming the part that is wrong and what to give instead
 */
export function checkTlsIdentity(tls: TlsIdentity): void {
  const [leaf] = certificatesOf("cert", tls.cert);
  const key = keyOf(tls.key);
  let matches: boolean;
  try {
    matches = leaf!.checkPrivateKey(key);
  } catch {
    matches = false;
  }
  if (!matches) {
    throw broken(
      "key",
      `it does not belong to the certificate of ${leaf!.subject.replaceAll("\n", ", ")}`,
      "give the key that this certificate was issued for",
    );
  }
  certificatesOf("ca", tls.ca);
}
