import {
  checkBoolean,
  checkFunctions,
  checkMethods,
  checkNumber,
  checkOptions,
  checkWord,
  type OptionKeys,
} from "../core/options.ts";
import type { HandlerOptions, ServedHealthOptions } from "./options.ts";

const knownHealthOptions: OptionKeys<ServedHealthOptions> = {
  checkIntervalMs: true,
  maxWatches: true,
  maxWatchesPerConnection: true,
};

/**
 * Checks what is served, the RPC side too where there are no routes: they may come later, and the mistake be forgotten.
 *
 * @param who - what the user calls: `serve()`
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function checkServed<T extends HandlerOptions>(who: string, options: T, known: OptionKeys<T>): void {
  if (typeof (options as { fetch?: unknown } | undefined)?.fetch === "function") {
    throw new TypeError(`Cannot make ${who}: an app stands in the place of its options; pass { app }`);
  }
  checkOptions(who, options, known);
  const { routes, interceptors, maxMessageBytes, responseCompression, health, reflection, validate } =
    options;
  if (routes !== undefined && typeof routes !== "function") {
    throw new TypeError(
      `Cannot make ${who}: routes is no function; pass (router) => router.service(MyService, { … })`,
    );
  }
  checkFunctions(who, "interceptors", interceptors);
  if (maxMessageBytes !== undefined)
    checkNumber(who, "maxMessageBytes", maxMessageBytes, { min: 1, max: 0xffffffff });
  checkWord(who, "responseCompression", responseCompression, ["requested", "accepted"]);
  if (health !== undefined && health !== false) checkOptions(`${who}'s health`, health, knownHealthOptions);
  checkBoolean(who, "reflection", reflection);
  checkMethods(who, "validate", validate, ["appliesTo"], 'protovalidate() of "@datapunk/mesh/validate"');
}
