import type { Connection } from "../../core/connection.ts";
import { checkSendable } from "../../core/sendable-headers.ts";
import { LightResponse } from "./light-response.ts";

/** A connection of a server that tells little of it; what there is is asked for when it is needed. */
export class NativeConnection implements Connection {
  readonly encrypted: boolean;
  readonly httpVersion = "";
  readonly peer = undefined;
  readonly #address: () => string | undefined;

  constructor(encrypted: boolean, address: () => string | undefined) {
    this.encrypted = encrypted;
    this.#address = address;
  }

  get remoteAddress(): string {
    return (this.#address() ?? "").replace(/^::ffff:(?=\d+\.)/, "");
  }
}

/**
 * A native server takes the real thing only; another listener of this process may make light ones.
 *
 * @throws TypeError for headers that cannot be sent: Bun would send them, and Deno ends the process
 */
export function realResponse(response: Response): Response {
  const real = response instanceof LightResponse ? response.real() : response;
  checkSendable(real.headers);
  return real;
}

/** Answers for a handler that failed, and tells nothing of why. */
export function internalError(): Response {
  const body = JSON.stringify({ type: "about:blank", title: "Internal Server Error", status: 500 });
  const headers = { "content-type": "application/problem+json" };
  return realResponse(new Response(body, { status: 500, headers }));
}
