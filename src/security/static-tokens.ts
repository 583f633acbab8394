import { checkObject } from "../core/options.ts";
import { AuthenticationError } from "./bearer.ts";
import type { TokenValidator, ValidatedPrincipal } from "./token-validator.ts";

/** Whether two texts are equal, in a time that depends on the length of the first only. */
export function equalInConstantTime(given: string, expected: string): boolean {
  // With lengths that differ, the text is compared with itself: as long, and the result is no already.
  const other = given.length === expected.length ? expected : given;
  let difference = given.length ^ expected.length;
  for (let index = 0; index < given.length; index++) {
    difference |= given.charCodeAt(index) ^ other.charCodeAt(index);
  }
  return difference === 0;
}

/**
 * A validator for a fixed set of tokens, for development and tests: they never expire, and all who know one are let in.
 *
 * Each request is compared with every token in constant time, so that neither the position of the first
 * wrong character nor which token came close can be measured; meant for tens of tokens, not thousands.
 *
 * @param tokens - principal ids by token
 * @throws TypeError when there is no token, or one is empty or `"undefined"`, as a variable that is not set would make it
 * @example
 * ```ts
 * const mesh = createMesh({
 *   service: "lake",
 *   server: { auth: { validate: staticTokens({ "a-token-for-tests": "dashboard" }) } },
 * });
 * ```
 */
export function staticTokens(tokens: Readonly<Record<string, string>>): TokenValidator {
  checkObject("staticTokens()", tokens);
  const entries: readonly (readonly [string, ValidatedPrincipal])[] = Object.entries(tokens).map(
    ([token, id]) => {
      if (typeof id !== "string") {
        // Not which token it is: that is a secret.
        throw new TypeError("Cannot make staticTokens(): a principal id is no text; pass { token: id }");
      }
      if (token === "" || id === "") {
        throw new TypeError("Cannot make staticTokens(): a token or a principal id is empty; give both");
      }
      if (token === "undefined" || token === "null") {
        throw new TypeError(
          `Cannot make staticTokens(): the token of "${id}" is ${token}; is the variable set that it comes from?`,
        );
      }
      return [token, { id, kind: "token", claims: {} }];
    },
  );
  if (entries.length === 0) {
    throw new TypeError("Cannot make staticTokens(): there are no tokens; give at least one");
  }
  return function validateStaticToken(token) {
    let found: ValidatedPrincipal | undefined;
    for (const [expected, principal] of entries) {
      if (equalInConstantTime(token, expected)) found = principal;
    }
    if (found === undefined) throw new AuthenticationError("The token is not valid", "invalid_token");
    return found;
  };
}
