import { describe } from "node:test";
import type { TransportOptions } from "../../src/mesh/options.ts";
import type { RestDefaults, RestOptions } from "../../src/rest/rest-options.ts";
import { callOptions } from "../../src/rpc/context.ts";
import { type Mistake, mesh, refuseMistakes } from "./mistake.ts";

const client = (defaults: unknown): unknown => mesh().rest("lake", defaults as RestDefaults);
const get = (options: unknown): unknown =>
  mesh()
    .rest("lake")
    .get("rows", options as RestOptions);
const post = (options: unknown): unknown =>
  mesh()
    .rest("lake")
    .post("rows", options as RestOptions);
const transport = (options: unknown): unknown => mesh().transport("lake", options as TransportOptions);
const fetched = (init: unknown): unknown => mesh().fetch("mesh://lake/rows", init as RequestInit);

const byRest: readonly Mistake[] = [
  [
    "no name of a service",
    () => mesh().rest(undefined as never),
    "Cannot make a client: the service's name is undefined; pass the name that the resolver knows it by, or a URL",
  ],
  [
    "null for defaults",
    () => client(null),
    "Cannot make a client of lake: its options are null; pass an object",
  ],
  [
    "a word for throwHttpErrors",
    () => client({ throwHttpErrors: "no" }),
    'Cannot make a client of lake: throwHttpErrors is "no"; pass true or false',
  ],
  [
    "a time as text",
    () => client({ timeoutMs: "5" }),
    'Cannot make a client of lake: timeoutMs is "5"; pass a number above 0, or Infinity',
  ],
  [
    "one header as text",
    () => client({ headers: "x-tenant: blue" }),
    "Cannot make a client of lake: headers is string; pass an object, Headers or pairs",
  ],
  [
    "a header that is null",
    () => get({ headers: { "x-tenant": null } }),
    "Cannot call lake: the header x-tenant is null; pass text, or leave it out",
  ],
  [
    "a whole URL for a path",
    () => mesh().rest("lake").get("http://lake/rows"),
    'Cannot call lake: the path "http://lake/rows" names a host; pass a path within the service, or use the mesh\'s fetch',
  ],
  [
    "a query as text",
    () => get({ query: "limit=10" }),
    "Cannot call lake: query is string; pass an object of parameters or URLSearchParams",
  ],
  [
    "a query as text, beside that of the client",
    () =>
      mesh()
        .rest("lake", { query: { limit: 10 } })
        .get("rows", { query: "limit=10" as never }),
    "Cannot call lake: query is string; pass an object of parameters or URLSearchParams",
  ],
  [
    "a query as a list",
    () => get({ query: ["limit", "10"] }),
    "Cannot call lake: query is a list; pass an object of parameters or URLSearchParams",
  ],
  [
    "null in a query",
    () => get({ query: { after: null } }),
    "Cannot call lake: the query parameter after is null; pass text, a finite number or a boolean",
  ],
  [
    "a controller for a signal",
    () => get({ signal: new AbortController() }),
    "Cannot make a call to lake: signal is an object without addEventListener(); pass an AbortSignal, such as controller.signal or AbortSignal.timeout(5_000)",
  ],
  [
    "Hono's context for a parent",
    () => get({ parent: { req: {} } }),
    'Cannot make a call to lake: parent is an object without onEnd(); pass a call, such as mesh.current() or c.get("call"), or null for none',
  ],
  [
    "a word for idempotent",
    () => post({ idempotent: "yes" }),
    'Cannot make a call to lake: idempotent is "yes"; pass true or false',
  ],
  [
    "a word for a priority",
    () => get({ priority: "high" }),
    'Cannot make a call to lake: priority is "high"; pass an integer from 0 to 9999',
  ],
  [
    "a number for an idempotency key",
    () => post({ idempotencyKey: 5 }),
    "Cannot make a call to lake: idempotencyKey is 5; pass text",
  ],
  [
    "an object for a body",
    () => post({ body: { name: "weather" } }),
    "Cannot call lake: body is object; pass text, bytes, a Blob, a stream or an async iterable, or use json",
  ],
  [
    "a body of a GET",
    () => get({ json: {} }),
    "Cannot call lake: a GET request has no body; leave out json and body, or use query",
  ],
  [
    "a misspelt option of health",
    () =>
      mesh()
        .rest("lake")
        .health({ timeout: 5 } as never),
    'Cannot make a call to lake: it has no option "timeout"; did you mean "timeoutMs"?',
  ],
];

const byFetch: readonly Mistake[] = [
  [
    "node-fetch's time limit",
    () => fetched({ timeout: 5_000 }),
    'Cannot make a request of mesh.fetch(): it has no option "timeout"; did you mean "timeoutMs"?',
  ],
  [
    "ky's json",
    () => fetched({ method: "POST", json: {} }),
    'Cannot make a request of mesh.fetch(): it has no option "json"; pass body: JSON.stringify(…), or use mesh.rest()',
  ],
  [
    "a method in the place of options",
    () => fetched("POST"),
    'Cannot make a request of mesh.fetch(): its options are "POST"; pass an object',
  ],
  [
    "another word for what to do about redirects",
    () => fetched({ redirect: "none" }),
    'Cannot make a request of mesh.fetch(): redirect is "none"; pass "follow", "error" or "manual"',
  ],
  [
    "a path alone",
    () => mesh().fetch("/rows"),
    "Cannot fetch /rows: it is no absolute URL; pass mesh://service/path, or an http or https URL",
  ],
];

const byRpc: readonly Mistake[] = [
  [
    "nearly the name of a protocol",
    () => transport({ protocol: "grpcweb" }),
    'Cannot make a transport: protocol is "grpcweb"; pass "grpc", "grpc-web" or "connect"',
  ],
  [
    "a word for the format",
    () => transport({ useBinaryFormat: "no" }),
    'Cannot make a transport: useBinaryFormat is "no"; pass true or false',
  ],
  [
    "one interceptor that is no list",
    () => transport({ interceptors: () => {} }),
    "Cannot make a transport: interceptors is a function; put the function in brackets",
  ],
  [
    "a number for the version of HTTP",
    () => transport({ httpVersion: 2 }),
    'Cannot make an RPC transport: httpVersion is 2; pass "1.1" or "2"',
  ],
  [
    "a word for pings of idle connections",
    () => transport({ keepalive: { intervalMs: 30_000, whenIdle: "yes" } }),
    'Cannot make an RPC transport: keepalive.whenIdle is "yes"; pass true or false',
  ],
  [
    "grpc's name for the service that is asked about",
    () =>
      mesh()
        .transport("lake", { protocol: "connect" })
        .health({ service: "lake" } as never),
    'Cannot make a health question: it has no option "service"; its options are of, timeoutMs, signal, parent',
  ],
  [
    "a number for the retries of a call",
    () => callOptions({ retry: 5 } as never),
    "Cannot make callOptions(): retry is 5; pass false, or an object such as { maxAttempts: 2 }",
  ],
  [
    "a request id for a parent",
    () => callOptions({ parent: "0af7" } as never),
    'Cannot make callOptions(): parent is "0af7" without onEnd(); pass a call, such as mesh.current() or c.get("call"), or null for none',
  ],
];

describe("A mistake in a call by REST", () => refuseMistakes(byRest));
describe("A mistake in a call by fetch", () => refuseMistakes(byFetch));
describe("A mistake in a call by RPC", () => refuseMistakes(byRpc));
