import type { TransportFault } from "../../core/errors.ts";

/**
 * What workerd says when a connection fails. It tells refused from reset by nothing at all, and calls unknown
 * names and failed handshakes internal errors; so nothing here proves that a request never started.
 */
const faultByMessage: readonly (readonly [RegExp, TransportFault])[] = [
  [/^Network connection lost/, "reset"],
  [/premature(?:ly)? (?:end|clos|disconnect)|peer disconnected|disconnected/i, "closed"],
  [/^internal error(?:;|$)/, "unknown"],
];

const deepestCause = 6;

/** How a connection failed, from an error that workerd's `fetch` raised; undefined if it is no such error. */
export function faultOf(error: unknown): TransportFault | undefined {
  let at = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    // A TypeError here is a request that cannot be built, no fault of the network.
    if (!(at instanceof TypeError)) {
      for (const [pattern, fault] of faultByMessage) if (pattern.test(at.message)) return fault;
    }
    at = at.cause;
  }
  return undefined;
}
