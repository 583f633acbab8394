import { Call } from "../../src/core/call.ts";

/** A call that comes in. */
export function callOf(): Call {
  return new Call({ side: "server", protocol: "rest", service: "lake", operation: "GET /" });
}

/** Headers with a bearer token. */
export const withToken = (token: string): Headers => new Headers({ authorization: `Bearer ${token}` });
