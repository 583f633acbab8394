import type { HttpResponse } from "./http-transport.ts";
import { isRestReplayable, type RestRequest } from "./rest-request.ts";

/** Where a request goes: a path of a service or of an origin, and what is sent there. */
export interface Hop {
  readonly url: URL;
  readonly request: RestRequest;
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const bodyHeaders = ["content-type", "content-encoding", "content-language", "content-location"];
const secrets = ["authorization", "cookie"];

/** Path and query of a URL, as every URL parser on the way will see them. */
export function targetOf(url: URL): string {
  // A parser leaves backslashes in the path of a scheme it does not know, and takes them for slashes in http.
  const { pathname, search } =
    url.protocol === "mesh:" ? new URL(`http://mesh${url.pathname}${url.search}`) : url;
  return pathname + search;
}

/** Where the response sends the request; undefined when it is no redirect. */
export function locationOf(response: HttpResponse): string | undefined {
  return redirects.has(response.status) ? (response.headers.get("location") ?? undefined) : undefined;
}

/**
 * The request that follows a redirect, as the Fetch standard has it; in words, why there is none.
 *
 * A service cannot send a request out of the service: a location at the endpoint's own origin means the
 * service, any other host is refused. Between origins credentials stay behind.
 */
export function nextHop(hop: Hop, response: HttpResponse, location: string): Hop | string {
  const url = resolve(hop.url, response, location);
  if (typeof url === "string") return url;
  const { status } = response;
  const { request } = hop;
  const headers = { ...request.headers };
  const toGet =
    (status === 303 && request.method !== "GET" && request.method !== "HEAD") ||
    (status < 303 && request.method === "POST");
  if (toGet) for (const name of bodyHeaders) delete headers[name];
  else if (!isRestReplayable(request)) return "its body is a stream, which cannot be sent again";
  if (url.protocol !== hop.url.protocol || url.host !== hop.url.host) {
    for (const name of secrets) delete headers[name];
  }
  const target = targetOf(url);
  return toGet
    ? { url, request: { method: "GET", target, headers, body: undefined } }
    : { url, request: { ...request, target, headers } };
}

function resolve(from: URL, response: HttpResponse, location: string): URL | string {
  if (!URL.canParse(location, from.href)) return "the location is no URL";
  const url = new URL(location, from.href);
  if (from.protocol !== "mesh:") {
    return url.protocol === "http:" || url.protocol === "https:"
      ? url
      : `${url.protocol} is neither http: nor https:`;
  }
  if (url.protocol === "mesh:") return url.host === from.host ? url : "it leaves the service";
  const endpoint = response.url === undefined || response.url === "" ? undefined : new URL(response.url);
  if (endpoint === undefined || endpoint.origin !== url.origin) return "it leaves the service";
  return new URL(`mesh://${from.host}${url.pathname}${url.search}`);
}
