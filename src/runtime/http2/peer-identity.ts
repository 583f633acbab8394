import { createHash } from "node:crypto";
import type { PeerIdentity } from "../../core/identity.ts";
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

const subjectAltNameOid = "2.5.29.17";
const extensionsTag = 0xa3;
const versionTag = 0xa0;

/** RFC 4514, section 2.4: what would read as syntax gets a backslash. */
function escapeValue(value: string): string {
  return value.replace(/[\\",+;<>=\0]|^[ #]|\s$/g, (char) => (char === "\0" ? "\\00" : `\\${char}`));
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

function altNamesOf(extensions: DerElement | undefined): PeerIdentity["subjectAltNames"] {
  const names = { dns: [] as string[], uri: [] as string[], ip: [] as string[], email: [] as string[] };
  const list = extensions === undefined ? undefined : derElements(extensions.content)[0];
  for (const extension of list === undefined ? [] : derElements(list.content)) {
    const fields = derElements(extension.content);
    const value = fields.at(-1);
    if (fields[0] === undefined || value?.tag !== derTag.octetString) continue;
    if (oidFromDer(fields[0].content) !== subjectAltNameOid) continue;
    for (const name of derElements(derElements(value.content)[0]?.content ?? new Uint8Array())) {
      if (name.tag === 0x81) names.email.push(textFromDer(name));
      else if (name.tag === 0x82) names.dns.push(textFromDer(name));
      else if (name.tag === 0x86) names.uri.push(textFromDer(name));
      else if (name.tag === 0x87) {
        const ip = ipFromBytes(name.content);
        if (ip !== undefined) names.ip.push(ip);
      }
    }
  }
  return names;
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
  const subjectAltNames = altNamesOf(fields.find((field) => field.tag === extensionsTag));
  const spiffeIds = subjectAltNames.uri.filter((uri) => uri.startsWith("spiffe://"));
  return {
    ...subjectOf(name),
    subjectAltNames,
    spiffeId: spiffeIds.length === 1 ? spiffeIds[0] : undefined,
    fingerprint256: createHash("sha256").update(der).digest("hex"),
  };
}
