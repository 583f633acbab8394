import type { TlsOptions } from "../core/identity.ts";
import { checkBoolean, checkOptions } from "../core/options.ts";
import { clientRoots, knownTlsOptions } from "../core/tls-options.ts";
import type { ListenOptions } from "../net/port.ts";
import type { ServeOptions } from "./options.ts";

/**
 * How a server speaks TLS: as the mesh does, but for what is said of the server alone; undefined for the clear.
 *
 * @throws TypeError when there is nothing to show
 */
export function serveTls(
  ofMesh: TlsOptions | undefined,
  options: Pick<ServeOptions, "tls" | "clientAuth">,
): ListenOptions["tls"] {
  if (typeof options.tls !== "object" || options.tls === null) checkBoolean("serve()", "tls", options.tls);
  const own = typeof options.tls === "object" ? options.tls : undefined;
  if (own !== undefined) checkOptions("serve()'s tls", own, knownTlsOptions);
  if (options.tls === false || (options.tls === undefined && ofMesh === undefined)) {
    if (options.clientAuth !== undefined && options.clientAuth !== "none") {
      throw new TypeError(
        `Cannot serve: clientAuth is "${options.clientAuth}" without TLS; give the mesh a tls identity, or leave clientAuth out`,
      );
    }
    return undefined;
  }
  const tls = overridden(ofMesh, own);
  if (tls === undefined) {
    throw new TypeError(
      "Cannot serve: tls is true and the mesh has no identity; pass tls: { cert, key, ca } to createMesh",
    );
  }
  if (tls.cert === undefined && tls.key === undefined) {
    // Not in the clear: whoever says what to trust has not asked for that.
    throw new TypeError(
      "Cannot serve: tls has no certificate to show; pass cert and key to createMesh or to serve(), or tls: false to serve in the clear",
    );
  }
  const { clientAuth = clientRoots(tls).length > 0 ? "require" : "none" } = options;
  return { ...tls, clientAuth };
}

/** A certificate and its key are one: of the mesh's, neither goes with one of the server's own. */
function overridden(ofMesh: TlsOptions | undefined, own: TlsOptions | undefined): TlsOptions | undefined {
  if (own === undefined) return ofMesh;
  const { cert: _, key: __, passphrase: ___, ...rest } = ofMesh ?? {};
  // What is undefined is left out: an authority must not get lost by it.
  const said = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return own.cert === undefined && own.key === undefined ? { ...ofMesh, ...said } : { ...rest, ...said };
}
