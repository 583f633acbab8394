import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSource } from "../../src/core/source.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { circuitBreaker } from "../../src/policy/circuit-breaker.ts";
import { retry } from "../../src/policy/retry.ts";
import { callOptions } from "../../src/rpc/context.ts";
import { type Mistake, mesh, refuseMistakes } from "./mistake.ts";

const mistakes: readonly Mistake[] = [
  [
    "a misspelt option of the mesh",
    () => mesh({ polices: {} }),
    'Cannot make createMesh(): it has no option "polices"; did you mean "policies"?',
  ],
  [
    "the option that had another name",
    () => mesh({ discovery: {} }),
    'Cannot make createMesh(): it has no option "discovery"; its options are service, tls, resolver, policies, layers, onEvent, logger, logging, maxConnectionsPerEndpoint, idleTimeoutMs, maxConnectionAgeMs, server, checks, onError, metrics, runtime, clock, random',
  ],
  [
    "a time limit without its unit",
    () => mesh({ policies: { lake: { timeout: 5 } } }),
    'Cannot make policies["lake"] of createMesh(): it has no option "timeout"; did you mean "timeoutMs"?',
  ],
  [
    "retries instead of retry",
    () => mesh({ policies: { lake: { retries: 5 } } }),
    'Cannot make policies["lake"] of createMesh(): it has no option "retries"; did you mean "retry"?',
  ],
  [
    "a number for retry",
    () => mesh({ policies: { lake: { retry: 5 } } }),
    'Cannot make policies["lake"] of createMesh(): retry is 5; pass false, or an object such as { maxAttempts: 2 }',
  ],
  [
    "a misspelt option of a method",
    () => mesh({ policies: { lake: { methods: { QueryRows: { timeout: 5 } } } } }),
    'Cannot make policies["lake"] of createMesh() methods["QueryRows"]: it has no option "timeout"; did you mean "timeoutMs"?',
  ],
  [
    "a breaker for a method, which belongs to endpoints",
    () => mesh({ policies: { lake: { methods: { "GET /x": { breaker: false } } } } }),
    'Cannot make policies["lake"] of createMesh() methods["GET /x"]: it has no option "breaker"; its options are timeoutMs, attemptTimeoutMs, retry, idempotent, priority, waitForReady',
  ],
  [
    "a list of methods",
    () => mesh({ policies: { lake: { methods: ["QueryRows"] } } }),
    'Cannot make policies["lake"] of createMesh() methods: its options are an array; pass an object',
  ],
  [
    "a word for idempotent",
    () => mesh({ policies: { lake: { methods: { QueryRows: { idempotent: "yes" } } } } }),
    'Cannot make policies["lake"] of createMesh() methods["QueryRows"]: idempotent is "yes"; pass true or false',
  ],
  [
    "a rule of retry that names a status as a code",
    () => mesh({ policies: { lake: { retry: { on: { code: 503 } } } } }),
    'Cannot make policies["lake"] of createMesh() retry on: code is 503; pass some of canceled, unknown, invalid_argument, deadline_exceeded, not_found, already_exists, permission_denied, resource_exhausted, failed_precondition, aborted, out_of_range, unimplemented, internal, unavailable, data_loss, unauthenticated',
  ],
  [
    "a number for the budget of retries",
    () => mesh({ policies: { lake: { retry: { budget: 5 } } } }),
    "Cannot make retryBudget(): its options are 5; pass an object",
  ],
  [
    "a misspelt option of a request",
    () =>
      mesh({})
        .rest("lake")
        .get("x", { timeout: 5 } as never),
    'Cannot make a call to lake: it has no option "timeout"; did you mean "timeoutMs"?',
  ],
  [
    "true for the breaker",
    () => mesh({ policies: { lake: { breaker: true } } }),
    'Cannot make policies["lake"] of createMesh() breaker: its options are true; pass an object',
  ],
  [
    "a misspelt option of retry in a policy",
    () => mesh({ policies: { lake: { retry: { attempts: 5 } } } }),
    'Cannot make policies["lake"] of createMesh() retry: it has no option "attempts"; did you mean "maxAttempts"?',
  ],
  [
    "a misspelt option of the breaker in a policy",
    () => mesh({ policies: { lake: { breaker: { failureRatio: 0.2 } } } }),
    'Cannot make createBreaker(): it has no option "failureRatio"; did you mean "failureRate"?',
  ],
  [
    "a validator that would not be asked",
    () => mesh({ server: { auth: { validator: () => ({ id: "ann" }) } } }),
    'Cannot make auth: it has no option "validator"; did you mean "validate"?',
  ],
  [
    "a word for required",
    () => mesh({ server: { auth: { required: "yes" } } }),
    'Cannot make auth: required is "yes"; pass true or false',
  ],
  [
    "true for a rate limit",
    () => mesh({ server: { rateLimit: true } }),
    "Cannot make createRequestPipeline() rateLimit: its options are true; pass an object",
  ],
  [
    "a misspelt rate",
    () => mesh({ server: { rateLimit: { perMinutes: 5 } } }),
    'Cannot make createRequestPipeline() rateLimit: it has no option "perMinutes"; did you mean "perMinute"?',
  ],
  [
    "a misspelt option of the server",
    () => mesh({ server: { maxConcurrency: 5 } }),
    'Cannot make createRequestPipeline(): it has no option "maxConcurrency"; did you mean "maxConcurrent"?',
  ],
  [
    "a misspelt option of an app",
    () => mesh({}).app({ bodyLimit: 5 } as never),
    'Cannot make app(): it has no option "bodyLimit"; did you mean "bodyLimitBytes"?',
  ],
  [
    "another word for who may see the metrics",
    () => mesh({}).app({ expose: { metrics: "public" } } as never),
    'Cannot make expose: metrics is "public"; pass true, false or "authenticated"',
  ],
  [
    "a misspelt option of what an app exposes",
    () => mesh({}).app({ expose: { metric: true } } as never),
    'Cannot make expose: it has no option "metric"; did you mean "metrics"?',
  ],
  [
    "a misspelt option of CORS",
    () => mesh({ server: { cors: { origin: "*" } } }),
    'Cannot make cors: it has no option "origin"; did you mean "origins"?',
  ],
  [
    "a misspelt option of the middleware",
    () => mesh({}).middleware({ bodyLimit: 5 } as never),
    'Cannot make middleware(): it has no option "bodyLimit"; did you mean "bodyLimitBytes"?',
  ],
  [
    "a framework's own app",
    () => mesh({}).handler({ app: (() => {}) as never }),
    "Cannot make a handler: app is no app; pass one of Hono's, or an object with a fetch(request)",
  ],
  [
    "a misspelt option of a REST client",
    () => mesh({}).rest("lake", { timeout: 5 } as never),
    'Cannot make a client of lake: it has no option "timeout"; did you mean "timeoutMs"?',
  ],
  [
    "a misspelt option of a transport",
    () => mesh({}).transport("lake", { useBinary: false } as never),
    'Cannot make a transport: it has no option "useBinary"; did you mean "useBinaryFormat"?',
  ],
  [
    "a misspelt option of an RPC",
    () => callOptions({ idempotency: "safe" } as never),
    'Cannot make callOptions(): it has no option "idempotency"; did you mean "idempotent"?',
  ],
  [
    "a misspelt option of a handler",
    () => mesh({}).handler({ route: () => {} } as never),
    'Cannot make handler(): it has no option "route"; did you mean "routes"?',
  ],
  [
    "a misspelt option of a policy that stands alone",
    () => retry({ maxAttempt: 2 } as never),
    'Cannot make retry(): it has no option "maxAttempt"; did you mean "maxAttempts"?',
  ],
  [
    "a misspelt option of a circuit breaker",
    () => circuitBreaker({ minCall: 2 } as never),
    'Cannot make createBreaker(): it has no option "minCall"; did you mean "minCalls"?',
  ],
  [
    "a table of endpoints that is no resolver",
    () => mesh({ resolver: { lake: ["http://127.0.0.1:7101"] } }),
    "Cannot make createMesh(): resolver is a table of endpoints and no Resolver; wrap it: staticResolver({ … })",
  ],
  [
    "a logger that is none",
    () => mesh({ logger: true }),
    'Cannot make createMesh(): logger has no method "debug"; pass a pino logger, console, or messageFirst(logger) for LogTape',
  ],
  [
    "the name of a level in the place of the logger",
    () => mesh({ logger: "info" }),
    'Cannot make createMesh(): logger has no method "debug"; pass a pino logger, console, or messageFirst(logger) for LogTape',
  ],
  [
    "logging without a logger",
    () => mesh({ logging: { level: "debug" } }),
    "Cannot make createMesh(): logging is given without a logger; pass logger, such as pino()",
  ],
  [
    "a misspelt option of logging",
    () => mesh({ logger: console, logging: { levels: "debug" } }),
    'Cannot make the logging of createMesh(): it has no option "levels"; did you mean "level"?',
  ],
  [
    "a level that does not exist",
    () => mesh({ logger: console, logging: { level: "warning" } }),
    'Cannot make the logging of createMesh(): level is "warning"; pass "trace", "debug", "info", "warn" or "error"',
  ],
  [
    "one name for a list of names to redact",
    () => mesh({ logger: console, logging: { redact: "email" } }),
    'Cannot make the logging of createMesh(): redact is no list of names; pass ["x-session", "email"]',
  ],
  [
    "a misspelt option of the access log",
    () => mesh({ logger: console, logging: { access: { sampling: 0.1 } } }),
    'Cannot make the access log of the logging of createMesh(): it has no option "sampling"; did you mean "sample"?',
  ],
  [
    "true for the access log",
    () => mesh({ logger: console, logging: { access: true } }),
    "Cannot make the access log of the logging of createMesh(): its options are true; pass an object",
  ],
  [
    "a word for a header list of the access log",
    () => mesh({ logger: console, logging: { access: { headers: ["a b"] } } }),
    'Cannot make the access log of the logging of createMesh(): headers is no list of names; pass ["x-forwarded-for"]',
  ],
  [
    "a hook that does not exist",
    () => mesh({}).rest("lake", { hooks: { beforeResponse: [] } } as never),
    'Cannot make the hooks of a client of lake: it has no option "beforeResponse"; did you mean "afterResponse"?',
  ],
  [
    "a hook that is no function",
    () =>
      mesh({})
        .rest("lake")
        .extend({ hooks: { beforeError: ["log"] } } as never),
    'Cannot make the hooks of a client of lake: beforeError[0] is "log"; pass a function or leave it out',
  ],
  [
    "another library's word for the query",
    () =>
      mesh({})
        .rest("lake")
        .get("x", { searchParams: { limit: 1 } } as never),
    'Cannot make a call to lake: it has no option "searchParams"; did you mean "query"?',
  ],
  [
    "an option that belongs to a request, for a client",
    () =>
      mesh({})
        .rest("lake")
        .extend({ idempotent: true } as never),
    'Cannot make a client of lake: it has no option "idempotent"; its options are headers, query, hooks, timeoutMs, retry, priority, waitForReady, maxResponseBytes, throwHttpErrors',
  ],
  [
    "a word for the age of connections",
    () => mesh({ maxConnectionAgeMs: "1h" }),
    'Cannot make createMesh(): maxConnectionAgeMs is "1h"; pass a number above 0',
  ],
  [
    "a URL of another scheme",
    () => mesh({}).rest("grpc://api.example.com"),
    'Cannot make a client: it is for "grpc://api.example.com", which is neither http nor https; pass one that is',
  ],
  [
    "policies for a URL with a path",
    () => mesh({ policies: { "https://api.example.com/v1": {} } }),
    'Cannot make the policies of createMesh(): an entry is for "https://api.example.com/v1", which goes beyond scheme, host and port; pass "https://api.example.com"',
  ],
  [
    "a misspelt option of a resolver",
    () => staticResolver({}, { onRefuse: () => {} } as never),
    'Cannot make staticResolver(): it has no option "onRefuse"; did you mean "onRefused"?',
  ],
  [
    "a misspelt word about who the server of an endpoint must be",
    () => staticResolver({ lake: [{ origin: "https://10.0.0.7:7101", tsl: {} } as never] }),
    'Cannot make staticResolver(): endpoint 1 of "lake": it has no option "tsl"; did you mean "tls"?',
  ],
];

describe("A mistake in options", () => {
  refuseMistakes(mistakes);

  it("is refused in a question about health", async () => {
    const asked = mesh({})
      .transport("lake")
      .health({ service: "x" } as never);
    await assert.rejects(asked, /health question: it has no option "service"; its options are of,/);
  });

  it("is refused in a source that changes, and the options before stay", async () => {
    const told: unknown[] = [];
    const policies = createSource<object>({});
    const shop = mesh({ policies, onError: (error: unknown) => told.push(error) });
    policies.set({ lake: { timout: 5 } });
    assert.match(String(told[0]), /it has no option "timout"; did you mean "timeoutMs"/);
    await shop.close();
  });
});
