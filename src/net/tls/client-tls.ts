import type { ConnectionOptions, SecureContext } from "node:tls";
import type { ServerIdentity, TlsOptions } from "../../core/identity.ts";
import { nodeNet, nodeTls } from "../platform/builtin.ts";
import { certificatesIn } from "./pem.ts";
import { serverCheck } from "./server-check.ts";
import { serverRoots } from "./server-roots.ts";

/** The oldest version that is spoken unless something is said. */
export const defaultMinVersion = "TLSv1.2";

const contexts = new WeakMap<TlsOptions, SecureContext>();
const none: TlsOptions = {};

/** Certificates and roots in the runtime's form, read once: a store of authorities takes milliseconds. */
function contextOf(tls: TlsOptions = none): SecureContext {
  let context = contexts.get(tls);
  if (context === undefined) {
    const { cert, key, passphrase, ciphers, minVersion = defaultMinVersion } = tls;
    const ca = serverRoots(tls);
    context = nodeTls().createSecureContext({
      ...(cert !== undefined && { cert: certificatesIn(cert).join("\n") }),
      ...(key !== undefined && { key }),
      ...(passphrase !== undefined && { passphrase }),
      ...(ciphers !== undefined && { ciphers }),
      ...(ca !== undefined && { ca }),
      minVersion,
    });
    contexts.set(tls, context);
  }
  return context;
}

/** What `node:tls` is given to connect, and to verify the server. */
export function clientTls(
  tls: TlsOptions | undefined,
  server: ServerIdentity | undefined,
): Pick<ConnectionOptions, "secureContext" | "servername" | "checkServerIdentity"> {
  return {
    secureContext: contextOf(tls),
    ...(server?.serverName !== undefined && { servername: server.serverName }),
    checkServerIdentity: serverCheck(server),
  };
}

/** The name to ask for when nobody says one; an address is none. */
export function serverNameOf(host: string): { readonly servername?: string } {
  return nodeNet().isIP(host) === 0 ? { servername: host } : {};
}
