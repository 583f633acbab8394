import { MeshError, type MeshErrorOptions } from "../core/errors.ts";

/** Why a challenge is sent, by RFC 6750 section 3.1; undefined when no credentials came at all. */
export type ChallengeError = "invalid_request" | "invalid_token" | "insufficient_scope" | undefined;

/** The longest token looked at, in characters. */
const maxTokenLength = 16_384;
const token68 = /^[A-Za-z0-9\-._~+/]+=*$/;
const anyCase = /^bearer(?: |$)/i;

/**
 * The token of an `Authorization` header; undefined when there is none, or when it is of another scheme.
 *
 * @throws AuthenticationError when it says `Bearer` and no well-formed token follows
 */
export function parseBearer(authorization: string | null | undefined): string | undefined {
  if (authorization === null || authorization === undefined) return undefined;
  // Nearly everybody writes it like this; the regular expression is for the others.
  if (!authorization.startsWith("Bearer ") && !anyCase.test(authorization)) return undefined;
  const token = authorization.slice(7).trim();
  if (token.length > maxTokenLength || !token68.test(token)) throw malformed();
  return token;
}

function malformed(): AuthenticationError {
  return new AuthenticationError(
    'The Authorization header is malformed: send "Bearer <token>"',
    "invalid_request",
  );
}

/** The request does not say who sends it, or says so without proof. */
export class AuthenticationError extends MeshError {
  override readonly name: string = "AuthenticationError";
  /** The value of the `WWW-Authenticate` header that belongs to the response (RFC 6750). */
  readonly challenge: string;

  constructor(message: string, error?: ChallengeError, options: MeshErrorOptions = {}) {
    super("ERR_UNAUTHENTICATED", message, options);
    this.challenge = bearerChallenge(error, error === undefined ? undefined : message);
  }
}

/** The value of a `WWW-Authenticate` header for bearer tokens. */
export function bearerChallenge(error?: ChallengeError, description?: string, realm = "mesh"): string {
  let challenge = `Bearer realm="${quoted(realm)}"`;
  if (error !== undefined) challenge += `, error="${error}"`;
  if (description !== undefined) challenge += `, error_description="${quoted(description)}"`;
  return challenge;
}

/** RFC 6750 allows printable ASCII without quote and backslash. */
function quoted(text: string): string {
  return text.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, "?");
}
