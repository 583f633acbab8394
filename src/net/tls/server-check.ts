import type { PeerCertificate } from "node:tls";
import { MeshError } from "../../core/errors.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import { nodeTls } from "../platform/builtin.ts";
import { peerIdentityFromDer } from "./peer-identity.ts";
import { PeerRefusal } from "./tls-failure.ts";

/** Verifies the certificate of a server whose chain has been verified; an error when it is another's. */
export type ServerCheck = (host: string, certificate: PeerCertificate) => Error | undefined;

function namesOf(certificate: PeerCertificate): string {
  const { subjectAltNames } = peerIdentityFromDer(new Uint8Array(certificate.raw));
  const names = [...subjectAltNames.dns, ...subjectAltNames.ip];
  return names.length === 0 ? "for no name at all" : `for ${names.join(", ")}`;
}

function checkName(host: string, certificate: PeerCertificate): Error | undefined {
  const error = nodeTls().checkServerIdentity(host, certificate);
  if (error === undefined) return undefined;
  let names: string;
  try {
    names = namesOf(certificate);
  } catch {
    return error;
  }
  return new PeerRefusal(
    "wrong-name",
    `the server's certificate is ${names}, not for ${host}; call it by a name that it has, or say the name in tls: { serverName }`,
  );
}

/** The SPIFFE IDs that are let in. */
export function spiffeIdsOf({ spiffeId = [] }: ServerIdentity): readonly string[] {
  return typeof spiffeId === "string" ? [spiffeId] : spiffeId;
}

function checkId(wanted: readonly string[], certificate: PeerCertificate): Error | undefined {
  let id: string | undefined;
  try {
    id = peerIdentityFromDer(new Uint8Array(certificate.raw)).spiffeId;
  } catch {
    id = undefined;
  }
  if (id !== undefined && wanted.includes(id)) return undefined;
  const found = id ?? "a server without a SPIFFE ID";
  return new PeerRefusal("wrong-identity", `the server is ${found}, not ${wanted.join(" or ")}`);
}

/** Verifies names, and SPIFFE IDs where they are pinned. */
export function serverCheck(server: ServerIdentity | undefined): ServerCheck {
  const wanted = server?.spiffeId === undefined ? undefined : spiffeIdsOf(server);
  if (wanted === undefined) return checkName;
  const alsoName = server?.serverName !== undefined;
  return (host, certificate) =>
    (alsoName ? checkName(host, certificate) : undefined) ?? checkId(wanted, certificate);
}

/**
 * Refuses to verify a server that is called in the clear: whoever pins a server must not find out that nobody looked.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function refuseCleartext(origin: string, server: ServerIdentity | undefined): void {
  if (server === undefined || origin.startsWith("https:")) return;
  throw new MeshError(
    "ERR_TLS_CONFIG",
    `Cannot call ${origin}: tls says who its server must be, which nobody can verify in the clear; use https://, or leave tls out`,
  );
}

/** Tells server identities apart: a connection that was verified for one is no good for another. */
export function identityKey(server: ServerIdentity | undefined): string {
  if (server === undefined) return "";
  return JSON.stringify([server.serverName ?? "", server.spiffeId === undefined ? 0 : spiffeIdsOf(server)]);
}
