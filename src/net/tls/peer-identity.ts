import type { PeerIdentity } from "../../core/identity.ts";
import { spiffeIdFrom } from "../../security/spiffe.ts";
import { nodeCrypto } from "../platform/builtin.ts";
import { type DerElement, derElements, derTag, oidFromDer, textFromDer } from "./der.ts";

/** Short names of the attributes that RFC 4514 names, and of two more that certificates like. */
const attributeNames: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
};

const keyUsageOid = "2.5.29.15";
const subjectAltNameOid = "2.5.29.17";
const basicConstraintsOid = "2.5.29.19";
/** The bits of a key usage that make an authority: to sign certificates, and revocations. */
const authorityBits = 0x06;
const extensionsTag = 0xa3;
const versionTag = 0xa0;

const utf8 = new TextEncoder();

/** RFC 4514, section 2.4: syntax gets a backslash, and control characters are written as their bytes. */
function escapeValue(value: string): string {
  return value
    .replace(/[\\",+;<>=]|^[ #]| $/g, "\\$&")
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (char) =>
      Array.from(utf8.encode(char), (byte) => `\\${byte.toString(16).padStart(2, "0").toUpperCase()}`).join(
        "",
      ),
    );
}

function subjectOf(name: DerElement): { subject: string; commonName: string } {
  let commonName = "";
  const parts: string[] = [];
  for (const set of derElements(name.content)) {
    const attributes: string[] = [];
    for (const attribute of derElements(set.content)) {
      const [type, value] = derElements(attribute.content);
      if (type === undefined || value === undefined) continue;
      const oid = oidFromDer(type.content);
      const key = attributeNames[oid] ?? oid;
      const text = textFromDer(value);
      if (key === "CN") commonName = text;
      attributes.push(`${key}=${escapeValue(text)}`);
    }
    parts.push(attributes.join("+"));
  }
  return { subject: parts.reverse().join(","), commonName };
}

function ipFromBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at]! << 8) | bytes[at + 1]!).toString(16));
  // The URL parser writes IPv6 as RFC 5952 wants it.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** What the extensions of a certificate say of its owner. */
interface Extensions {
  readonly altNames: PeerIdentity["subjectAltNames"];
  /** Whether it may sign certificates; an authority's certificate must not authenticate a workload. */
  readonly authority: boolean;
}

function extensionsOf(extensions: DerElement | undefined): Extensions {
  const altNames = { dns: [] as string[], uri: [] as string[], ip: [] as string[], email: [] as string[] };
  let authority = false;
  const list = extensions === undefined ? undefined : derElements(extensions.content)[0];
  for (const extension of list === undefined ? [] : derElements(list.content)) {
    const fields = derElements(extension.content);
    const value = fields.at(-1);
    if (fields[0] === undefined || value?.tag !== derTag.octetString) continue;
    const oid = oidFromDer(fields[0].content);
    if (oid === subjectAltNameOid) addAltNames(contentOf(value), altNames);
    else if (oid === basicConstraintsOid) authority ||= isAuthority(contentOf(value));
    // The first byte of a bit string is the number of its unused bits.
    else if (oid === keyUsageOid) authority ||= ((contentOf(value)[1] ?? 0) & authorityBits) !== 0;
  }
  return { altNames, authority };
}

/** The content of the one element that an extension's value holds. */
function contentOf(value: DerElement): Uint8Array {
  return derElements(value.content)[0]?.content ?? new Uint8Array();
}

function isAuthority(constraints: Uint8Array): boolean {
  const [flag] = derElements(constraints);
  return flag?.tag === derTag.boolean && flag.content[0] !== 0;
}

function addAltNames(list: Uint8Array, names: Record<"dns" | "uri" | "ip" | "email", string[]>): void {
  for (const name of derElements(list)) {
    if (name.tag === 0x81) names.email.push(textFromDer(name));
    else if (name.tag === 0x82) names.dns.push(textFromDer(name));
    else if (name.tag === 0x86) names.uri.push(textFromDer(name));
    else if (name.tag === 0x87) {
      const ip = ipFromBytes(name.content);
      if (ip !== undefined) names.ip.push(ip);
    }
  }
}

/**
 * Reads who a certificate belongs to.
 *
 * It reads the DER itself rather than the `subjectaltname` text of `getPeerCertificate`: the runtimes
 * write that text differently, and where one of them leaves a comma in a name unquoted, a certificate
 * could smuggle in a name of another kind.
 *
 * @throws RangeError when the bytes are no certificate
 */
export function peerIdentityFromDer(der: Uint8Array): PeerIdentity {
  const certificate = derElements(der)[0];
  const tbs = certificate === undefined ? undefined : derElements(certificate.content)[0];
  const fields = tbs === undefined ? [] : derElements(tbs.content);
  // Version is optional and comes first; then serial, algorithm, issuer, validity, subject.
  const name = fields[fields[0]?.tag === versionTag ? 5 : 4];
  if (name?.tag !== derTag.sequence) throw new RangeError("Cannot read certificate: it has no subject");
  const { altNames, authority } = extensionsOf(fields.find((field) => field.tag === extensionsTag));
  return {
    ...subjectOf(name),
    subjectAltNames: altNames,
    spiffeId: authority ? undefined : spiffeIdFrom(altNames.uri),
    fingerprint256: nodeCrypto().createHash("sha256").update(der).digest("hex"),
  };
}
