import type { KeyObject, X509Certificate } from "node:crypto";
import { MeshError } from "../../core/errors.ts";
import type { TlsOptions } from "../../core/identity.ts";
import { checkOptions, checkWord } from "../../core/options.ts";
import { isStoreName, knownTlsOptions, rootParts } from "../../core/tls-options.ts";
import { nodeCrypto, nodeTls } from "../platform/builtin.ts";
import { hasTlsCiphers } from "../platform/capabilities.ts";
import { certificatesIn } from "./pem.ts";
import { serverRoots } from "./server-roots.ts";

type Part = "cert" | "key" | "ca" | "passphrase" | "ciphers";

const encryptedKey = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

function broken(part: Part, problem: string, remedy: string, cause?: unknown): MeshError {
  return new MeshError("ERR_TLS_CONFIG", `Cannot use tls.${part}: ${problem}; ${remedy}`, { cause });
}

function notText(pem: unknown): string {
  return `it is ${pem === null ? "null" : Array.isArray(pem) ? "an array" : typeof pem}, not PEM text`;
}

/** A path in the place of what is in the file. */
function hint(pem: string): string {
  const path = pem.length < 4096 && !pem.includes("\n") && pem !== "";
  return path ? " (it looks like a file name: read the file)" : "";
}

function certificatesOf(part: "cert" | "ca", pem: unknown, remedy: string): X509Certificate[] {
  if (typeof pem !== "string") throw broken(part, notText(pem), remedy);
  const blocks = certificatesIn(pem);
  if (blocks.length === 0) {
    throw broken(part, `there is no BEGIN CERTIFICATE block in it${hint(pem)}`, remedy);
  }
  return blocks.map((block, index) => {
    try {
      return new (nodeCrypto().X509Certificate)(block);
    } catch (cause) {
      throw broken(part, `certificate ${index + 1} of ${blocks.length} does not parse`, remedy, cause);
    }
  });
}

function keyOf({ key, passphrase }: TlsOptions): KeyObject {
  const remedy = "give the leaf's private key as PEM text (PKCS#8, PKCS#1 or SEC1)";
  if (typeof key !== "string") throw broken("key", notText(key), remedy);
  if (passphrase !== undefined && typeof passphrase !== "string") {
    throw broken("passphrase", `it is ${typeof passphrase}, not text`, "give the one that decrypts tls.key");
  }
  const encrypted = encryptedKey.test(key);
  if (encrypted && passphrase === undefined) {
    throw broken("key", "it is encrypted", "give tls.passphrase as well, or the key unencrypted");
  }
  try {
    return nodeCrypto().createPrivateKey(passphrase === undefined ? key : { key, passphrase });
  } catch (cause) {
    if (encrypted) throw broken("passphrase", "it does not decrypt tls.key", "give the one that does", cause);
    throw broken("key", `it does not parse${hint(key)}`, remedy, cause);
  }
}

function subjectOf({ subject }: X509Certificate): string {
  return subject.replaceAll("\n", ", ");
}

function belongs(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    return false;
  }
}

function checkIdentity(tls: TlsOptions): void {
  if (tls.key === undefined) {
    throw broken("key", "it is undefined while tls.cert is given", "give the private key of the certificate");
  }
  const remedy = "give the certificate chain, leaf first, as PEM text";
  if (tls.cert === undefined)
    throw broken("cert", "it is undefined while tls.key is given", "give the certificate of the key");
  const chain = certificatesOf("cert", tls.cert, remedy);
  const leaf = chain[0] as X509Certificate;
  const key = keyOf(tls);
  if (belongs(leaf, key)) return;
  const at = chain.findIndex((each) => belongs(each, key));
  if (at > 0) {
    throw broken("cert", `the key belongs to certificate ${at + 1} of ${chain.length}`, "put the leaf first");
  }
  if (leaf.ca) {
    const what = `it holds no leaf: the first certificate is that of an authority, ${subjectOf(leaf)}`;
    throw broken("cert", what, "put the certificate that was issued for tls.key first");
  }
  throw broken(
    "key",
    `it does not belong to the certificate of ${subjectOf(leaf)}`,
    "give the key that this certificate was issued for",
  );
}

function checkRoots(tls: TlsOptions): void {
  const remedy =
    'give the certificates of the authorities to trust as PEM text, "default", "system", or a list';
  const { ca } = tls;
  if (typeof ca !== "string" && !Array.isArray(ca)) throw broken("ca", notText(ca), remedy);
  const parts = rootParts(tls);
  if (parts.length === 0) throw broken("ca", "it is an empty list", `${remedy}; or leave it out`);
  for (const part of parts) if (!isStoreName(part)) certificatesOf("ca", part, remedy);
  let roots: readonly string[] | undefined;
  try {
    roots = serverRoots(tls);
  } catch (cause) {
    // Deno asks for permissions.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw broken(
      "ca",
      `the stores of authorities cannot be read: ${why}`,
      "allow it, or give PEM text",
      cause,
    );
  }
  if (roots?.length === 0) {
    throw broken("ca", "the operating system's store is empty", 'install it, or use "default"');
  }
}

function checkCiphers(tls: TlsOptions): void {
  if (typeof tls.ciphers !== "string") {
    throw broken(
      "ciphers",
      `it is ${typeof tls.ciphers}, not text`,
      "give names of OpenSSL with colons between",
    );
  }
  if (!hasTlsCiphers) {
    throw new MeshError(
      "ERR_CAPABILITY",
      "Cannot use tls.ciphers on this runtime: it does not let anybody choose cipher suites (capability tlsCiphers); leave it out, or use minVersion",
    );
  }
  try {
    nodeTls().createSecureContext({ ciphers: tls.ciphers });
  } catch (cause) {
    throw broken("ciphers", "it names no cipher suite that is known", "give names of OpenSSL", cause);
  }
}

const checked = new WeakSet<TlsOptions>();

/**
 * Checks how TLS is to be spoken before anything listens or connects with it, because the runtimes report what is broken
 * late, differently, or (a key of another certificate) only as a failed handshake.
 *
 * @throws TypeError for an option that does not exist or has no such value
 * @throws MeshError `ERR_TLS_CONFIG`, naming the part that is wrong and what to give instead; `ERR_CAPABILITY` for what the
 * runtime cannot do
 */
export function checkTls(tls: TlsOptions): void {
  if (checked.has(tls)) return;
  checkOptions("tls", tls, knownTlsOptions);
  checkWord("tls", "minVersion", tls.minVersion, ["TLSv1.2", "TLSv1.3"]);
  if (tls.cert !== undefined || tls.key !== undefined) checkIdentity(tls);
  if (tls.ca !== undefined) checkRoots(tls);
  if (tls.ciphers !== undefined) checkCiphers(tls);
  checked.add(tls);
}
