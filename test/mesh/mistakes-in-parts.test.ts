import { describe } from "node:test";
import { compose, protect } from "../../src/core/service.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { bodyLimit } from "../../src/hono/body-limit.ts";
import { validate } from "../../src/hono/validate.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { bulkhead } from "../../src/policy/bulkhead.ts";
import { circuitBreaker } from "../../src/policy/circuit-breaker.ts";
import { limited } from "../../src/policy/limited.ts";
import { rateLimit } from "../../src/policy/rate-limiter.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { unless } from "../support/capability.ts";
import { type Mistake, mesh, refuseMistakes } from "./mistake.ts";

const lines = { debug() {}, info() {}, warn() {}, error() {} };

const whole: readonly Mistake[] = [
  [
    "a name in the place of options",
    () => createMesh("shop" as never),
    'Cannot make createMesh(): its options are "shop"; pass an object',
  ],
  [
    "options that are still read",
    () => createMesh(Promise.resolve({ service: "shop" }) as never),
    "Cannot make createMesh(): its options are a promise; await it",
  ],
  [
    "policies that are still read",
    () => mesh({ policies: Promise.resolve({}) }),
    "Cannot make the policies of createMesh(): its options are a promise; await it",
  ],
  [
    "policies in a Map",
    () => mesh({ policies: new Map([["lake", { timeoutMs: 5 }]]) }),
    "Cannot make the policies of createMesh(): its options are a Map; pass an object",
  ],
  [
    "the policy of one service for all policies",
    () => mesh({ policies: { timeoutMs: 500 } }),
    'Cannot make policies["timeoutMs"] of createMesh(): its options are 500; pass an object',
  ],
  [
    "ky's limit of retries",
    () => mesh({ policies: { lake: { retry: { limit: 2 } } } }),
    'Cannot make policies["lake"] of createMesh() retry: it has no option "limit"; its options are maxAttempts, backoff, on, budget',
  ],
  [
    "statuses of retry as text",
    () => mesh({ policies: { lake: { retry: { on: "503" } } } }),
    'Cannot make policies["lake"] of createMesh() retry on: its options are "503"; pass an object',
  ],
  [
    "a failure rate in percent",
    () => mesh({ policies: { lake: { breaker: { failureRate: 50 } } } }),
    "Cannot make createBreaker(): failureRate is 50; pass a number above 0 and at most 1",
  ],
  [
    "null in a breaker",
    () => mesh({ policies: { lake: { breaker: { openMs: null } } } }),
    "Cannot make createBreaker(): openMs is null; pass a number above 0",
  ],
  [
    "one layer that is no list",
    () => mesh({ layers: { client: { call: (next: unknown) => next } } }),
    "Cannot make createMesh(): layers.client.call is a function; put the function in brackets",
  ],
  [
    "a layer that was not imported",
    () => mesh({ layers: { client: { call: [undefined] } } }),
    "Cannot make createMesh(): layers.client.call[0] is undefined; pass functions only",
  ],
  [
    "layers in a list, as interceptors are",
    () => mesh({ layers: [(next: unknown) => next] }),
    "Cannot make the layers of createMesh(): its options are an array; pass an object",
  ],
  [
    "layers of the server in a list",
    () => mesh({ layers: { server: [] } }),
    "Cannot make createRequestPipeline() layers: its options are an array; pass an object",
  ],
  [
    "a list of checks",
    () => mesh({ checks: [() => true] }),
    "Cannot make createHealth() checks: its options are an array; pass an object",
  ],
  [
    "a result in the place of a check",
    () => mesh({ checks: { database: true } }),
    "Cannot make createHealth(): checks.database is true; pass a function or leave it out",
  ],
  [
    "true for metrics",
    () => mesh({ metrics: true }),
    "Cannot make createMesh(): metrics is true without watchSessions(); pass createMetrics()",
  ],
  [
    "Date for the clock",
    () => mesh({ clock: Date }),
    "Cannot make createMesh(): clock is a function without now(); pass a Clock, such as clockFrom({ … })",
  ],
  [
    "the name of a runtime",
    () => mesh({ runtime: "node" }),
    'Cannot make createMesh(): runtime is "node" without openHttpTransport(); pass a runtime of ours',
  ],
  [
    "a seed for random",
    () => mesh({ random: 4 }),
    "Cannot make createMesh(): random is 4; pass a function or leave it out",
  ],
  [
    "LogTape's logger as it is",
    () => mesh({ logger: { ...lines, getChild() {} } }),
    "Cannot make createMesh(): logger is one of LogTape, which takes the message first; pass messageFirst(logger)",
  ],
  [
    "winston's logger as it is",
    () => mesh({ logger: { ...lines, configure() {} } }),
    "Cannot make createMesh(): logger is one of winston, which takes the message first; pass messageFirst(logger)",
  ],
  [
    "pino's number of a level",
    () => mesh({ logger: lines, logging: { level: 30 } }),
    'Cannot make the logging of createMesh(): level is 30; pass "trace", "debug", "info", "warn" or "error"',
  ],
  [
    "true for an access log, which the level would leave out",
    () => mesh({ logger: lines, logging: { level: "error", access: true } }),
    "Cannot make the access log of the logging of createMesh(): its options are true; pass an object",
  ],
];

const secure: readonly Mistake[] = [
  [
    "files of TLS",
    () => mesh({ tls: { certFile: "/etc/tls/cert.pem" } }),
    'Cannot make tls: it has no option "certFile"; did you mean "cert"?',
  ],
  [
    "Node's way not to verify a server",
    () => mesh({ tls: { rejectUnauthorized: false } }),
    'Cannot make tls: it has no option "rejectUnauthorized"; its options are cert, key, passphrase, ca, minVersion, ciphers',
  ],
];

const resolvers: readonly Mistake[] = [
  [
    "services in a Map",
    () => staticResolver(new Map() as never),
    'Cannot make staticResolver(): its services are no object; pass { name: ["https://host:port"] }',
  ],
  [
    "one origin that is no list",
    () => staticResolver({ lake: "http://10.0.0.7:7101" } as never),
    'Cannot make staticResolver(): the endpoints of "lake" are no array; put the origin in brackets',
  ],
  [
    "an address without a scheme, as grpc-js has it",
    () => staticResolver({ lake: ["10.0.0.7:7101"] }),
    'Cannot make staticResolver(): endpoint 1 of "lake" is "10.0.0.7:7101", which is no URL; pass scheme, host and port',
  ],
  [
    "a misspelt weight of an endpoint",
    () => staticResolver({ lake: [{ origin: "http://10.0.0.7:7101", wieght: 2 } as never] }),
    'Cannot make staticResolver(): endpoint 1 of "lake": it has no option "wieght"; did you mean "weight"?',
  ],
  [
    "one protocol of an endpoint",
    () => staticResolver({ lake: [{ origin: "http://10.0.0.7:7101", protocol: "grpc" } as never] }),
    'Cannot make staticResolver(): endpoint 1 of "lake": it has no option "protocol"; did you mean "protocols"?',
  ],
];

const alone: readonly Mistake[] = [
  [
    "a time for the options of timeout()",
    () => timeout(5_000 as never),
    "Cannot make timeout(): its options are 5000; pass an object",
  ],
  [
    "a misspelt queue",
    () => bulkhead({ maxQueue: 5 } as never),
    'Cannot make bulkhead(): it has no option "maxQueue"; did you mean "maxQueued"?',
  ],
  [
    "opossum's threshold",
    () => circuitBreaker({ errorThresholdPercentage: 50 } as never),
    'Cannot make createBreaker(): it has no option "errorThresholdPercentage"; its options are windowMs, failureRate, minCalls, openMs, maxOpenMs, jitter, probes, minDeadlineMs, onStateChange, clock, random',
  ],
  [
    "options for a breaker made elsewhere",
    () => circuitBreaker({ breaker: { openMs: 5 } } as never),
    "Cannot make circuitBreaker(): breaker is an object without acquire(); pass createBreaker()",
  ],
  [
    "options for a limiter made elsewhere",
    () => rateLimit({ limiter: { perMinute: 5 } } as never),
    "Cannot make rateLimit(): limiter is an object without take(); pass createRateLimiter()",
  ],
  [
    "options in the place of a limiter",
    () => limited({ maxConcurrent: 5 } as never),
    "Cannot make limited(): limiter is an object without acquire(); pass createBulkhead() or another Limiter",
  ],
  [
    "layers in a list",
    () => compose([timeout()] as never),
    "Cannot make compose(): its layers[0] is an array; pass functions only",
  ],
  [
    "layers in a list, around a function",
    () => protect([timeout()] as never, () => 1),
    "Cannot make protect(): layer is an array; pass a function or leave it out",
  ],
  [
    "a list of tokens, whose positions would be tokens",
    () => staticTokens(["secret"] as never),
    "Cannot make staticTokens(): its options are an array; pass an object",
  ],
  [
    "a principal in the place of its id",
    () => staticTokens({ secret: { id: "ann" } } as never),
    "Cannot make staticTokens(): a principal id is no text; pass { token: id }",
  ],
  [
    "Hono's options of a body limit",
    () => bodyLimit({ maxSize: 5 } as never),
    "Cannot make bodyLimit(): bytes is an object; pass a number of at least 0, or Infinity",
  ],
  [
    "another part of a request",
    () => validate("body" as never, {} as never),
    'Cannot make validate(): target is "body"; pass "json", "query" or "param"',
  ],
  [
    "a function for a schema",
    () => validate("json", (() => true) as never),
    "Cannot make validate(): its schema is none; pass one of Zod, Valibot, ArkType or another Standard Schema",
  ],
  [
    "one bound for buckets",
    () => createMetrics({ buckets: 0.1 as never }),
    "Cannot make createMetrics(): buckets is no list; pass upper bounds in seconds, [0.01, 0.1, 1]",
  ],
  [
    "options for a registry",
    () => createMetrics({ registry: {} as never }),
    "Cannot make createMetrics(): registry is an object without registerMetric(); pass a Registry of prom-client",
  ],
];

describe("A mistake in the options of a mesh", () => refuseMistakes(whole));
describe("A mistake in the TLS of a mesh", () => refuseMistakes(secure, unless("mtlsClient")));
describe("A mistake in a resolver", () => refuseMistakes(resolvers));
describe("A mistake in a part that is used alone", () => refuseMistakes(alone));
