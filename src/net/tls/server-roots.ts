import type { TlsOptions } from "../../core/identity.ts";
import { isStoreName, rootParts } from "../../core/tls-options.ts";
import { nodeTls } from "../platform/builtin.ts";
import { certificatesIn } from "./pem.ts";

/** The authorities that servers' certificates must chain to; undefined for the runtime's own. */
export function serverRoots(tls: Pick<TlsOptions, "ca">): string[] | undefined {
  const parts = rootParts(tls);
  // The runtime has its own ready, and a copy takes milliseconds to read.
  if (parts.every((part) => part === "default")) return undefined;
  return parts.flatMap((part) =>
    isStoreName(part) ? nodeTls().getCACertificates(part) : certificatesIn(part),
  );
}
