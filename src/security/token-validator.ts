import type { Call } from "../core/call.ts";
import type { Principal } from "../core/identity.ts";

/** What a validator found out about a token. */
export interface ValidatedPrincipal extends Principal {
  /**
   * When the token ends, in milliseconds since the epoch (a JWT's `exp` × 1000). The result is then reused
   * until that time instead of validating each request anew; without it every request is validated.
   */
  readonly expiresAt?: number;
}

/**
 * Says on whose behalf a bearer token speaks.
 *
 * A validator that needs no I/O should decide synchronously: the server then makes no promise for it.
 * Whatever it throws refuses the request with 401 (a `MeshError` of code `ERR_PERMISSION_DENIED` with 403);
 * its message stays inside, only that of a `MeshError` is shown to the caller.
 */
export type TokenValidator = (token: string, call: Call) => ValidatedPrincipal | Promise<ValidatedPrincipal>;
