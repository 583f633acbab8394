import { Call, type CallEventListener } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Service } from "../core/service.ts";
import { EndToEndHeaders } from "../http/end-to-end-headers.ts";
import { type CallDefaults, callPolicyFrom, plainCallDefaults } from "../policy/call-policy.ts";
import { withinDeadline } from "./body-chunks.ts";
import { checkFetchInit, type MeshFetchInit } from "./fetch-init.ts";
import { HttpError } from "./http-error.ts";
import type { HttpResponse } from "./http-transport.ts";
import { type Hop, locationOf, nextHop, targetOf } from "./redirect.ts";
import { addHeaders, type HeadersInput } from "./request-headers.ts";
import { checkMaxResponseBytes, limitedBody } from "./response-limit.ts";
import { encodeBody, type RestBody } from "./rest-body.ts";
import { checkTimeout, idempotencyOf, priorityOf } from "./rest-client.ts";
import { shownUrl } from "./rest-path.ts";
import { methodLabel, type RestRequest, type SentRequest, sendCall } from "./rest-request.ts";
import { RestResponse } from "./rest-response.ts";
import { discardResponse, isShort, TransportResponse } from "./transport-response.ts";

/** Options of {@link createMeshFetch}. */
export interface MeshFetchOptions {
  /** The whole pipeline to a service, the choice of an endpoint included. */
  readonly sendFor: (service: string) => Service<RestRequest, HttpResponse>;
  /** The pipeline to one origin that no resolver knows; `https://example.org:8443`. */
  readonly sendToOrigin: (origin: string) => Service<RestRequest, HttpResponse>;
  readonly clock: Clock;
  /** The call whose handler runs now, to make calls on its behalf. @default none */
  readonly current?: () => Call | undefined;
  /** Told what is decided about the calls. @default nobody is told */
  readonly onEvent?: CallEventListener | undefined;
  /** What holds for a request, unless its init says otherwise; asked for each of a chain of redirects. @default 30 s */
  readonly policyOf?: (
    service: string,
    method: string,
    target: string,
    operation: string | undefined,
  ) => CallDefaults;
}

/** The platform's `fetch`, through the mesh. */
export type MeshFetch = (input: string | URL | Request, init?: MeshFetchInit) => Promise<Response>;

const maxRedirects = 20;
/** Statuses whose `Response` must have no body. */
const nullBody: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Makes a `fetch` whose requests run through the pipeline: `mesh://lake/datasets` goes to an endpoint of the
 * service `lake`, `http:` and `https:` URLs straight to their origin.
 *
 * As with the platform's own, no status is an error. What fails does so with the mesh's errors. Redirects are
 * followed up to 20 times, each a call of its own within the one deadline; credentials do not follow to another
 * origin, and no redirect leads out of a service. `redirect: "manual"` shows the redirect as it is.
 *
 * @example
 * ```ts
 * app.all("/datasets/*", (c) => {
 *   const { pathname, search } = new URL(c.req.url);
 *   return mesh.fetch(`mesh://lake${pathname}${search}`, c.req.raw);
 * });
 * ```
 */
export function createMeshFetch(options: MeshFetchOptions): MeshFetch {
  const { sendFor, sendToOrigin, clock, current, onEvent, policyOf = () => plainCallDefaults } = options;

  return async function meshFetch(input, said) {
    // As with the platform's own, null says nothing.
    const init = said ?? {};
    checkFetchInit(init);
    const given = await requestFrom(input, init);
    const { maxResponseBytes } = init;
    if (maxResponseBytes !== undefined) checkMaxResponseBytes(given.who, maxResponseBytes);
    let hop: Hop = given.hop;
    const { operation, retry, idempotent, waitForReady } = init;
    const priority = typeof init.priority === "string" ? undefined : init.priority;
    const policyFor = ({ url, request: { method, target } }: Hop): CallDefaults =>
      policyOf(serviceOf(url), method, target, operation);
    let policy = policyFor(hop);
    const deadline =
      clock.now() +
      (init.timeoutMs === undefined ? policy.timeoutMs : checkTimeout(given.who, init.timeoutMs));
    for (let redirected = 0; ; redirected++) {
      const { url, request } = hop;
      if (redirected > 0) policy = policyFor(hop);
      const send = url.protocol === "mesh:" ? sendFor(url.host) : sendToOrigin(url.origin);
      const call = new Call({
        side: "client",
        protocol: "rest",
        service: serviceOf(url),
        operation: operation ?? methodLabel(request.method),
        deadline,
        idempotency: idempotencyOf(request.method, request.headers, idempotent ?? policy.idempotent),
        signal: given.signal,
        parent: init.parent === undefined ? current?.() : (init.parent ?? undefined),
        onEvent,
        policy: callPolicyFrom(
          `a call to ${serviceOf(url)}`,
          { retry, idempotent, priority, waitForReady },
          policy.policy,
        ),
        ...priorityOf(priority ?? policy.priority),
      });
      const response = await sendCall(send, call, request);
      const location = given.redirect === "manual" ? undefined : locationOf(response);
      if (location === undefined)
        return await responseFrom({ call, clock, request, maxResponseBytes }, response, url, redirected > 0);
      discardResponse(response);
      const next =
        given.redirect === "error"
          ? 'redirect is "error"'
          : redirected < maxRedirects
            ? nextHop(hop, response, location)
            : `it is number ${redirected + 1}`;
      if (typeof next === "string") {
        const sentRequest = new RestResponse({ call, clock, request }, response, new Uint8Array(0));
        throw new HttpError(
          `${given.who}: ${shownUrl(url.href)} redirects to ${shownUrl(location)}, which is not followed: ${next}`,
          undefined,
          sentRequest,
        );
      }
      hop = next;
    }
  };
}

interface Given {
  /** The start of error messages. */
  readonly who: string;
  readonly hop: Hop;
  readonly signal: AbortSignal | undefined;
  readonly redirect: RequestRedirect;
}

function serviceOf(url: URL): string {
  return url.host;
}

async function requestFrom(input: string | URL | Request, init: MeshFetchInit): Promise<Given> {
  const base = input instanceof Request ? input : undefined;
  const href = input instanceof Request ? input.url : String(input);
  const who = `Cannot fetch ${shownUrl(href)}`;
  const url = checkedUrl(who, href);
  const method = (init.method ?? base?.method ?? "GET").toUpperCase();
  const headers: Record<string, string> = {};
  const givenHeaders = init.headers ?? base?.headers;
  if (givenHeaders !== undefined) addHeaders(who, headers, givenHeaders as HeadersInput);
  const body = await bodyFrom(
    who,
    init.body === undefined ? base : (init as Request | MeshFetchInit),
    headers,
  );
  if (body !== undefined && (method === "GET" || method === "HEAD")) {
    throw new TypeError(`${who}: a ${method} request has no body`);
  }
  return {
    who,
    hop: {
      url,
      request: { method, target: targetOf(url), headers, body },
    },
    signal: init.signal ?? base?.signal ?? undefined,
    redirect: init.redirect ?? base?.redirect ?? "follow",
  };
}

function checkedUrl(who: string, href: string): URL {
  if (!URL.canParse(href)) {
    throw new TypeError(`${who}: it is no absolute URL; pass mesh://service/path, or an http or https URL`);
  }
  const url = new URL(href);
  if (url.protocol !== "mesh:" && url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${who}: its scheme is ${url.protocol}; pass mesh:, http: or https:`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(`${who}: it holds credentials; pass them in the authorization header`);
  }
  if (url.host === "") throw new TypeError(`${who}: it names no service; pass mesh://service/path`);
  if (url.protocol === "mesh:" && url.port !== "") {
    throw new TypeError(
      `${who}: a mesh URL has no port, the resolver knows it; pass mesh://${url.hostname}/`,
    );
  }
  return url;
}

/** The body of a request or of an init; a short one is taken whole, so that it can be sent again. */
async function bodyFrom(
  who: string,
  source: Request | MeshFetchInit | undefined,
  headers: Record<string, string>,
): Promise<RestRequest["body"]> {
  const body = source?.body;
  if (body === undefined || body === null) return undefined;
  if (source instanceof Request && isShort(source)) return new Uint8Array(await source.arrayBuffer());
  const encoded = encodeBody(who, body as RestBody);
  if (encoded.contentType !== "" && !(body instanceof ReadableStream))
    headers["content-type"] ??= encoded.contentType;
  return encoded.body;
}

async function responseFrom(
  sentRequest: SentRequest,
  source: HttpResponse,
  url: URL,
  redirected: boolean,
): Promise<Response> {
  const { status } = source;
  const { call, maxResponseBytes = Infinity } = sentRequest;
  let body: BodyInit | null = null;
  if (source.settled !== true && !nullBody.has(status)) {
    // Short bodies are worth the wait: a stream costs more than the bytes.
    body = (
      isShort(source)
        ? await withinDeadline(sentRequest, source, () => source.bytes(maxResponseBytes))
        : limitedBody(source.body, call, maxResponseBytes, (reason) => source.cancel?.(reason))
    ) as BodyInit | null;
  }
  const headers = new Headers();
  const fields = source instanceof TransportResponse ? source.headers : new EndToEndHeaders(source.headers);
  for (const [name, value] of fields) headers.append(name, value);
  const response = new Response(body, { status, headers });
  Object.defineProperty(response, "url", { value: url.href });
  Object.defineProperty(response, "redirected", { value: redirected });
  return response;
}
