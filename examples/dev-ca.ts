// The certificate library injects by decorators and needs this polyfill before it is evaluated.
import "reflect-metadata";
import type { TlsIdentity } from "@datapunk/mesh";
import * as x509 from "@peculiar/x509";

const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const hourMs = 3_600_000;

/** Everything that the development authority vouches for is one of this domain. */
export const trustDomain = "datapunk.local";

/** An authority for one run: its key never leaves this process, and its certificates last for a day. */
export interface DevAuthority {
  /** The root certificate, PEM. */
  readonly ca: string;
  /** A certificate for `spiffe://datapunk.local/<service>`, valid on this machine only, and its key. */
  issue(service: string): Promise<TlsIdentity>;
}

/**
 * Makes a certificate authority as a mesh needs it: one short-lived certificate for each service, with the
 * SPIFFE identity as its URI name. In production, SPIRE, cert-manager or Vault plays this part.
 */
export async function createDevAuthority(): Promise<DevAuthority> {
  const keys = await generateKeys();
  const issuer = "CN=Datapunk development CA";
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: issuer,
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const ca = root.toString("pem");

  async function issue(service: string): Promise<TlsIdentity> {
    const leafKeys = await generateKeys();
    const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
    const transport = await x509.X509CertificateGenerator.create({
      ...validity(),
      subject: `CN=${service},O=Datapunk`,
      issuer,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        // A service of a mesh is called and calls.
        new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: "url", value: `spiffe://${trustDomain}/${service}` },
          { type: "dns", value: "localhost" },
          { type: "ip", value: "127.0.0.1" },
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const key = await crypto.subtle.exportKey("pkcs8", leafKeys.privateKey);
    return { cert: transport.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY"), ca };
  }

  return { ca, issue };
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

function validity(): { serialNumber: string; notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    serialNumber: crypto.randomUUID().replaceAll("-", "").replace(/^./, "1"),
    // An hour back, for clocks that disagree.
    notBefore: new Date(now - hourMs),
    notAfter: new Date(now + 24 * hourMs),
  };
}
