import type { TlsOptions } from "./identity.ts";
import type { OptionKeys } from "./options.ts";

export const knownTlsOptions: OptionKeys<TlsOptions> = {
  cert: true,
  key: true,
  passphrase: true,
  ca: true,
  minVersion: true,
  ciphers: true,
};

/** The words that stand for stores of authorities, beside PEM text. */
export type StoreName = "default" | "system";

export function isStoreName(part: unknown): part is StoreName {
  return part === "default" || part === "system";
}

/** The parts of `tls.ca`. */
export function rootParts({ ca = [] }: Pick<TlsOptions, "ca">): readonly string[] {
  return typeof ca === "string" ? [ca] : ca;
}

/** The authorities that clients' certificates must chain to: those that were given as PEM. */
export function clientRoots(tls: Pick<TlsOptions, "ca">): readonly string[] {
  return rootParts(tls).filter((part) => !isStoreName(part));
}
