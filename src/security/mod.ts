export { type AuthOptions, createSecurity, type Security } from "./authenticate.ts";
export { AuthenticationError, bearerChallenge, type ChallengeError, parseBearer } from "./bearer.ts";
export { principalFromPeer } from "./peer.ts";
export { equalInConstantTime, staticTokens } from "./static-tokens.ts";
export type { TokenCacheOptions } from "./token-cache.ts";
export type { TokenValidator, ValidatedPrincipal } from "./token-validator.ts";
