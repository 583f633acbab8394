// The certificate library injects by decorators and needs this polyfill before it is evaluated.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { TlsIdentity } from "../../src/core/identity.ts";

const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const hourMs = 3_600_000;

/** What a test certificate says; by default one for `localhost` and the loopback addresses. */
export interface ConnectOptions {
  readonly commonName?: string;
  readonly organization?: string;
  /** @default ["localhost"] */
  readonly dns?: readonly string[];
  /** @default ["127.0.0.1", "::1"] */
  readonly ip?: readonly string[];
  /** For example `spiffe://datapunk.test/lake`. @default [] */
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
  /** May sign certificates itself. @default false */
  readonly authority?: boolean;
  /** Valid in the past only. @default false */
  readonly expired?: boolean;
  /** Valid in the future only. @default false */
  readonly early?: boolean;
}

/** An authority made for one test run; nothing outside the test trusts it. */
export interface TestAuthority {
  /** The root certificate, PEM. */
  readonly ca: string;
  /** A leaf certificate with its key (PKCS#8), and this authority as the root to trust. */
  issue(options?: ConnectOptions): Promise<TlsIdentity>;
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  bytes[0]! &= 0x7f;
  bytes[0]! |= 0x01;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function pemOfKey(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function subjectOf(options: ConnectOptions): x509.Name {
  const name: x509.JsonNameParams = [{ CN: [{ utf8String: options.commonName ?? "test" }] }];
  if (options.organization !== undefined) name.push({ O: [{ utf8String: options.organization }] });
  return new x509.Name(name);
}

/**
 * Makes a certificate authority.
 *
 * @example
 * ```ts
 * const authority = await createAuthority();
 * const lake = await authority.issue({ commonName: "lake", uri: ["spiffe://datapunk.test/lake"] });
 * ```
 */
export async function createAuthority(name = "Test CA"): Promise<TestAuthority> {
  const keys = await generateKeys();
  const rootName = subjectOf({ commonName: name });
  const now = Date.now();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: rootName,
    notBefore: new Date(now - 48 * hourMs),
    notAfter: new Date(now + 48 * hourMs),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const ca = root.toString("pem");

  return {
    ca,
    async issue(options = {}) {
      const leafKeys = await generateKeys();
      const names: x509.JsonGeneralNames = [
        ...(options.dns ?? ["localhost"]).map((value) => ({ type: "dns" as const, value })),
        ...(options.ip ?? ["127.0.0.1", "::1"]).map((value) => ({ type: "ip" as const, value })),
        ...(options.uri ?? []).map((value) => ({ type: "url" as const, value })),
        ...(options.email ?? []).map((value) => ({ type: "email" as const, value })),
      ];
      const leaf = await x509.X509CertificateGenerator.create({
        serialNumber: randomSerial(),
        subject: subjectOf(options),
        issuer: rootName,
        notBefore: new Date(now - (options.expired ? 24 : options.early ? -12 : 1) * hourMs),
        notAfter: new Date(now + (options.expired ? -12 : 24) * hourMs),
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm,
        extensions: [
          new x509.BasicConstraintsExtension(options.authority === true, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.serverAuth,
            x509.ExtendedKeyUsage.clientAuth,
          ]),
          ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
          await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return { cert: leaf.toString("pem"), key: await pemOfKey(leafKeys.privateKey), ca };
    },
  };
}
