import { token } from "../core/headers.ts";
import { checkBoolean, checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";

/** What the access log says, and of what. */
export interface AccessLogOptions {
  /** A line for each request that is served, however it ended. @default true */
  readonly served?: boolean;
  /** A line for each call that is made, all its attempts together. @default false */
  readonly calls?: boolean;
  /** The share of lines that are written, from 0 to 1. What did not end well is always written. @default 1 */
  readonly sample?: number;
  /** Names of request header fields to write as well, such as `x-forwarded-for`. @default none */
  readonly headers?: readonly string[];
}

const knownAccessOptions: OptionKeys<AccessLogOptions> = {
  served: true,
  calls: true,
  sample: true,
  headers: true,
};

/** @throws TypeError | RangeError when an option makes no sense */
export function checkAccessLog(
  who: string,
  options: false | AccessLogOptions = {},
): AccessLogOptions | undefined {
  if (options === false) return undefined;
  const what = `the access log of ${who}`;
  checkOptions(what, options, knownAccessOptions);
  checkBoolean(what, "served", options.served);
  checkBoolean(what, "calls", options.calls);
  if (options.sample !== undefined) checkNumber(what, "sample", options.sample, { max: 1 });
  const { headers = [] } = options;
  if (!Array.isArray(headers) || !headers.every((name) => typeof name === "string" && token.test(name))) {
    throw new TypeError(`Cannot make ${what}: headers is no list of names; pass ["x-forwarded-for"]`);
  }
  return options;
}
