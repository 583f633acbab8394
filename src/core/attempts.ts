import { type CallKey, callKey } from "./call.ts";

/**
 * The origins that earlier attempts of the same call went to, set on an attempt by the layer that repeats it.
 *
 * A balancer keeps away from them while there are others: an endpoint that has just failed this call is
 * the least likely to save it.
 */
export const triedOrigins: CallKey<readonly string[]> = callKey("tried origins", []);
