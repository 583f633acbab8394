import type { TransportFault } from "../../core/errors.ts";

/** Causes are followed so far; a ring of them must not hold us. */
const deepestCause = 6;

/**
 * How a connection failed, as far as the Fetch standard lets anybody know: a network error is a `TypeError`
 * without any detail, on purpose. So nothing here proves that a request never started.
 */
export function faultOf(error: unknown): TransportFault | undefined {
  let at = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    if (at instanceof TypeError || at.name === "NetworkError") return "unknown";
    at = at.cause;
  }
  return undefined;
}
