import { Call } from "../../src/core/call.ts";
import type { TransportFault } from "../../src/core/errors.ts";
import {
  createFetchTransport,
  type FetchFunction,
  type FetchTransportOptions,
} from "../../src/rest/fetch-transport.ts";
import type { HttpBody, HttpResponse, HttpTransport } from "../../src/rest/http-transport.ts";

/** Takes a `TypeError` for a fault of the connection, and its message for the kind of fault. */
const faultOf = (error: unknown): TransportFault | undefined =>
  error instanceof TypeError ? (error.message as TransportFault) : undefined;

/** A transport over a `fetch` of the test's own. */
export function transportOver(
  fetch: FetchFunction,
  options: Partial<FetchTransportOptions> = {},
): HttpTransport {
  return createFetchTransport({ fetch, faultOf, ...options });
}

export function newCall(): Call {
  return new Call({ side: "client", protocol: "rest", service: "lake", operation: "GET" });
}

/** Sends GET, or POST when there is a body. */
export function send(
  transport: HttpTransport,
  call: Call = newCall(),
  url = "http://lake.test/x",
  body?: HttpBody,
): Promise<HttpResponse> {
  return transport.send(call, {
    method: body === undefined ? "GET" : "POST",
    url,
    headers: { a: "b" },
    body,
  });
}

/** A `fetch` whose responses come when the test says so. */
export function gate(): { readonly fetch: FetchFunction; readonly open: ((response: Response) => void)[] } {
  const open: ((response: Response) => void)[] = [];
  const fetch: FetchFunction = () => new Promise((resolve) => open.push(resolve));
  return { fetch, open };
}
