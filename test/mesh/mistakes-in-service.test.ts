import { describe } from "node:test";
import { Hono } from "hono";
import type { HandlerOptions, ServeOptions } from "../../src/mesh/options.ts";
import { unless } from "../support/capability.ts";
import { type Mistake, mesh, refuseMistakes } from "./mistake.ts";

const handler = (options: Record<string, unknown>): unknown => mesh().handler(options as HandlerOptions);
const serve = (options: Record<string, unknown>): Promise<unknown> =>
  mesh().serve({ app: new Hono(), port: 0, hostname: "127.0.0.1", ...options } as ServeOptions);
const server = (options: unknown): unknown => mesh({ server: options });

const served: readonly Mistake[] = [
  [
    "an app in the place of options",
    () => mesh().handler(new Hono() as never),
    "Cannot make handler(): an app stands in the place of its options; pass { app }",
  ],
  [
    "nothing to serve",
    () => handler({}),
    "Cannot make a handler: there is nothing to serve; pass app (a Hono app), routes (RPC), or both",
  ],
  [
    "an app that is still made",
    () => handler({ app: Promise.resolve(new Hono()) }),
    "Cannot make a handler: app is no app; pass one of Hono's, or an object with a fetch(request)",
  ],
  [
    "implementations in the place of routes, as grpc-js has them",
    () => handler({ routes: { echo: () => ({}) } }),
    "Cannot make handler(): routes is no function; pass (router) => router.service(MyService, { … })",
  ],
  [
    "routes that wait",
    () => handler({ routes: async () => {} }),
    "Cannot serve RPCs: routes returns a promise; await what the services need first, and register them at once",
  ],
  [
    "one interceptor that is no list",
    () => handler({ routes: () => {}, interceptors: () => {} }),
    "Cannot make handler(): interceptors is a function; put the function in brackets",
  ],
  [
    "an interceptor that is no function",
    () => handler({ routes: () => {}, interceptors: [{}] }),
    "Cannot make handler(): interceptors[0] is an object; pass functions only",
  ],
  [
    "a size in words",
    () => handler({ app: new Hono(), maxMessageBytes: "4mb" }),
    'Cannot make handler(): maxMessageBytes is "4mb"; pass a number from 1 to 4294967295',
  ],
  [
    "true for health",
    () => handler({ routes: () => {}, health: true }),
    "Cannot make handler()'s health: its options are true; pass an object",
  ],
  [
    "a word for reflection",
    () => handler({ routes: () => {}, reflection: "yes" }),
    'Cannot make handler(): reflection is "yes"; pass true or false',
  ],
  [
    "an encoding for the choice of compression",
    () => handler({ routes: () => {}, responseCompression: "gzip" }),
    'Cannot make handler(): responseCompression is "gzip"; pass "requested" or "accepted"',
  ],
  [
    "true for validation",
    () => handler({ routes: () => {}, validate: true }),
    'Cannot make handler(): validate is true without appliesTo(); pass protovalidate() of "@datapunk/mesh/validate"',
  ],
  [
    "metrics of an app, which the mesh brings",
    () => mesh().app({ metrics: false } as never),
    'Cannot make app(): it has no option "metrics"; its options are bodyLimitBytes, expose, onError',
  ],
  [
    "null for the options of an app",
    () => mesh().app(null as never),
    "Cannot make app(): its options are null; pass an object",
  ],
  [
    "a body limit in words",
    () => mesh().app({ bodyLimitBytes: "1mb" } as never),
    'Cannot make createApp(): bodyLimitBytes is "1mb"; pass a number of at least 0, or Infinity',
  ],
  [
    "a list for what an app exposes",
    () => mesh().app({ expose: ["metrics"] } as never),
    "Cannot make expose: its options are an array; pass an object",
  ],
];

const ports: readonly Mistake[] = [
  [
    "a port, as Express has it",
    () => mesh().serve(8080 as never),
    "Cannot make serve(): its options are 8080; pass an object",
  ],
  [
    "a port as text, as environments have it",
    () => serve({ port: "8080" }),
    'Cannot make serve(): port is "8080"; pass an integer from 0 to 65535',
  ],
  [
    "null for the port",
    () => serve({ port: null }),
    "Cannot make serve(): port is null; pass an integer from 0 to 65535",
  ],
  [
    "Node's name for the address",
    () => serve({ host: "127.0.0.1" }),
    'Cannot make serve(): it has no option "host"; did you mean "hostname"?',
  ],
  [
    "a list of ports",
    () => serve({ port: undefined, ports: [8080, 8081] }),
    "Cannot make serve()'s ports: its options are an array; pass an object",
  ],
  [
    "another name for the port of gRPC",
    () => serve({ port: undefined, ports: { rest: 0, rpc: 0 } }),
    'Cannot make serve()\'s ports: it has no option "rpc"; did you mean "grpc"?',
  ],
  [
    "nearly the word for client certificates",
    () => serve({ clientAuth: "required" }),
    'Cannot make serve(): clientAuth is "required"; pass "require", "request" or "none"',
  ],
  [
    "a list of signals",
    () => serve({ closeOnSignals: ["SIGTERM"] }),
    "Cannot make serve(): closeOnSignals is an array; pass true or false",
  ],
  [
    "a time for the drain",
    () => serve({ drain: 5_000 }),
    "Cannot make serve()'s drain: its options are 5000; pass an object",
  ],
  [
    "a drain in words",
    () => serve({ drain: { delayMs: "5s" } }),
    'Cannot make serve(): drain.delayMs is "5s"; pass a number of at least 0',
  ],
  [
    "a port for the admin port's options",
    () => serve({ admin: 9090 }),
    "Cannot make serve()'s admin: its options are 9090; pass an object",
  ],
  [
    "an admin port as text",
    () => serve({ admin: { port: "9090" } }),
    'Cannot make serve(): admin.port is "9090"; pass an integer from 0 to 65535',
  ],
  [
    "a number for the limits of connections",
    () => serve({ connections: 1_000 }),
    "Cannot make serve()'s connections: its options are 1000; pass an object",
  ],
  [
    "seconds for the options of keepalive",
    () => serve({ connections: { keepalive: 30 } }),
    "Cannot make serve()'s connections.keepalive: its options are 30; pass an object",
  ],
];

const guards: readonly Mistake[] = [
  [
    "null for the options of the server",
    () => server(null),
    "Cannot make createRequestPipeline(): its options are null; pass an object",
  ],
  [
    "a validator in the place of auth",
    () => server({ auth: () => ({ id: "ann" }) }),
    "Cannot make auth: its options are a function; pass an object",
  ],
  [
    "a secret for the validator",
    () => server({ auth: { validate: "secret" } }),
    'Cannot make auth: validate is "secret"; pass a function or leave it out',
  ],
  [
    "a time to live, without a validator even",
    () => server({ auth: { cache: { ttl: 60 } } }),
    'Cannot make auth.cache: it has no option "ttl"; its options are maxTokens, maxAgeMs, refusalMaxAgeMs',
  ],
  ["true for CORS", () => server({ cors: true }), "Cannot make cors: its options are true; pass an object"],
  [
    "one origin that is no list",
    () => server({ cors: { origins: "https://app.example" } }),
    'Cannot make cors: origins is "https://app.example"; pass a list, a function or "*"',
  ],
  [
    "Express's name for headers of CORS",
    () => server({ cors: { origins: "*", allowedHeaders: [] } }),
    'Cannot make cors: it has no option "allowedHeaders"; did you mean "headers"?',
  ],
  [
    "express-rate-limit's options",
    () => server({ rateLimit: { windowMs: 60_000, max: 100 } }),
    'Cannot make createRequestPipeline() rateLimit: it has no option "windowMs"; its options are perMinute, burst, maxClients',
  ],
  [
    "a rate as text",
    () => server({ rateLimit: { perMinute: "100" } }),
    'Cannot make createRateLimiter(): perMinute is "100"; pass a number above 0',
  ],
  [
    "true for proxies, as Express has it",
    () => server({ trustedProxies: true }),
    'Cannot make createRequestPipeline(): trustedProxies is no list; pass addresses and ranges such as ["10.0.0.0/8"]',
  ],
  [
    "a header for the key of clients",
    () => server({ clientKey: "x-tenant" }),
    'Cannot make createRequestPipeline(): clientKey is "x-tenant"; pass a function or leave it out',
  ],
  [
    "a deadline in words",
    () => server({ timeoutMs: "30s" }),
    'Cannot make createRequestPipeline(): timeoutMs is "30s"; pass a number above 0, or Infinity',
  ],
  [
    "the path of a gRPC method",
    () => server({ methods: { "/lake.v1.Lake/QueryRows": { timeoutMs: 5 } } }),
    'Cannot make createRequestPipeline(): methods has "/lake.v1.Lake/QueryRows"; name a route as "GET /datasets/:name", an RPC as "QueryRows" or "package.Service/QueryRows"',
  ],
  [
    "a number for a method",
    () => server({ methods: { QueryRows: 5 } }),
    'Cannot make createRequestPipeline() methods["QueryRows"]: its options are 5; pass an object',
  ],
];

describe("A mistake in what is served", () => refuseMistakes(served));
describe("A mistake in where it is served", () => refuseMistakes(ports, unless("listen")));
describe("A mistake in the options of the server", () => refuseMistakes(guards));
