import type { Call } from "../core/call.ts";
import { isMeshError, MeshError } from "../core/errors.ts";
import type { HeaderSource } from "../core/headers.ts";
import { isThenable } from "../core/hooks.ts";
import type { PeerIdentity, Principal } from "../core/identity.ts";
import {
  checkBoolean,
  checkFunction,
  checkNumber,
  checkOptions,
  type OptionKeys,
  orDefault,
} from "../core/options.ts";
import { isUpstream } from "../core/upstream.ts";
import { AuthenticationError, parseBearer } from "./bearer.ts";
import { principalFromPeer } from "./peer.ts";
import { TokenCache, type TokenCacheOptions } from "./token-cache.ts";
import type { TokenValidator, ValidatedPrincipal } from "./token-validator.ts";

const knownAuthOptions: OptionKeys<AuthOptions> = {
  validate: true,
  required: true,
  authorize: true,
  cache: true,
  wallClock: true,
};

/** Options of {@link createSecurity}: who may call. */
export interface AuthOptions {
  /** Validates bearer tokens. @default tokens are not looked at */
  readonly validate?: TokenValidator;
  /**
   * Whether a request must have a principal, by token or by peer certificate.
   *
   * @default true when there is a validator
   */
  readonly required?: boolean;
  /**
   * Decides on each request once its principal is known; false refuses it with 403. It is asked about
   * anonymous requests too, where those are let in; false refuses them with 401.
   */
  readonly authorize?: (principal: Principal | undefined, call: Call) => boolean | Promise<boolean>;
  /** Bounds of the memory for tokens that were validated or refused; `false` validates every request. */
  readonly cache?: TokenCacheOptions | false;
  /** Milliseconds since the epoch; tokens expire by it. @default Date.now */
  readonly wallClock?: () => number;
}

/**
 * Finds out who sends a request and whether that one may: sets `call.peer` and `call.principal`.
 * Synchronous whenever the validator and the hook are.
 *
 * @throws MeshError `ERR_UNAUTHENTICATED`, `ERR_PERMISSION_DENIED`
 */
export type Security = (
  call: Call,
  headers: HeaderSource,
  peer: PeerIdentity | undefined,
) => void | Promise<void>;

/**
 * Makes what finds out who calls a server.
 *
 * The principal comes from the token when there is one and a validator, else from the certificate that the
 * peer proved to own. A token that is not valid refuses the request even if the certificate would do: who
 * shows credentials means them. Headers that claim an identity are never looked at.
 *
 * @throws TypeError when an option has the wrong type
 */
export function createSecurity(options: AuthOptions = {}): Security {
  const who = "auth";
  checkOptions(who, options, knownAuthOptions);
  const validate = checkFunction(who, "validate", options.validate);
  const authorize = checkFunction(who, "authorize", options.authorize);
  const required = checkBoolean(who, "required", options.required) ?? validate !== undefined;
  checkFunction(who, "wallClock", options.wallClock);
  const cache = cacheFrom(options, validate !== undefined);

  function accept(call: Call, principal: Principal | undefined): void | Promise<void> {
    if (principal === undefined && required) {
      throw new AuthenticationError(
        validate === undefined ? "A client certificate is required" : "A bearer token is required",
      );
    }
    call.principal = principal;
    if (authorize === undefined) return;
    const allowed = authorize(principal, call);
    if (allowed === true) return;
    if (isThenable(allowed)) return Promise.resolve(allowed).then((late) => demand(late === true, principal));
    demand(false, principal);
  }

  function acceptToken(call: Call, token: string, principal: ValidatedPrincipal): void | Promise<void> {
    // A validator written in JavaScript may return null or false for "no"; that must not let anybody in.
    if (typeof principal?.id !== "string" || principal.id === "") {
      throw refused(token, principal === null || (principal as unknown) === false, refusal(undefined));
    }
    cache?.set(token, principal);
    return accept(call, principal);
  }

  /** The error to refuse a token with; remembered when it was a definite no. */
  function refused(token: string, definite: boolean, error: unknown): unknown {
    if (definite) cache?.refuse(token, error);
    return error;
  }

  return function authenticate(call, headers, peer) {
    call.peer = peer;
    const token = validate === undefined ? undefined : parseBearer(headers.get("authorization"));
    if (token === undefined) return accept(call, peer && principalFromPeer(peer));
    const known = cache?.get(token);
    if (known !== undefined) return accept(call, known);
    cache?.throwIfRefused(token);
    let principal: ValidatedPrincipal | Promise<ValidatedPrincipal>;
    try {
      principal = validate!(token, call);
    } catch (error) {
      throw refused(token, isRefusal(error), refusal(error));
    }
    if (!isThenable(principal)) return acceptToken(call, token, principal);
    return Promise.resolve(principal).then(
      (late) => acceptToken(call, token, late),
      (error: unknown) => {
        throw refused(token, isRefusal(error), refusal(error));
      },
    );
  };
}

const knownCacheOptions: OptionKeys<TokenCacheOptions> = {
  maxTokens: true,
  maxAgeMs: true,
  refusalMaxAgeMs: true,
};

function cacheFrom(options: AuthOptions, wanted: boolean): TokenCache | undefined {
  if (options.cache === false) return undefined;
  if (options.cache !== undefined) checkOptions("auth.cache", options.cache, knownCacheOptions);
  const { maxTokens = 1000, maxAgeMs = 300_000, refusalMaxAgeMs = 5_000 } = orDefault(options.cache, {});
  checkNumber("auth", "cache.maxTokens", maxTokens, { integer: true });
  checkNumber("auth", "cache.maxAgeMs", maxAgeMs);
  checkNumber("auth", "cache.refusalMaxAgeMs", refusalMaxAgeMs);
  return wanted ? new TokenCache({ maxTokens, maxAgeMs, refusalMaxAgeMs }, options.wallClock) : undefined;
}

function demand(allowed: boolean, principal: Principal | undefined): void {
  if (allowed) return;
  // Who it is might make a difference, so the caller is asked.
  if (principal === undefined) throw new AuthenticationError("An anonymous caller may not do this");
  throw new MeshError("ERR_PERMISSION_DENIED", `"${principal.id}" may not do this`);
}

/** Whether a validator said that the token is not valid, rather than that it could not find out. */
function isRefusal(error: unknown): boolean {
  return isMeshError(error, "ERR_UNAUTHENTICATED") && !isUpstream(error);
}

/** What the caller is told when a validator throws: its own words only if they are the mesh's. */
function refusal(error: unknown): unknown {
  if (isMeshError(error)) return error;
  return new AuthenticationError("The token is not valid", "invalid_token", { cause: error });
}
