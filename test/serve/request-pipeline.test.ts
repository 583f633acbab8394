import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ok } from "../../src/core/outcome.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { ServedRequest } from "../../src/serve/inbound-request.ts";
import { createRequestPipeline } from "../../src/serve/request-pipeline.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { connectionFrom, peerNamed, problemOf, serverFixture } from "../hono/fixture.ts";
import { metricValue } from "../support/metric-value.ts";
import { printedErrors } from "../support/printed-errors.ts";

const auth = { validate: staticTokens({ "token-a": "ann", "token-b": "bob" }) };
const asAnn = { headers: { authorization: "Bearer token-a" } };
const asBob = { headers: { authorization: "Bearer token-b" } };

describe("security", () => {
  it("responds with 401 with a challenge, before anything else is looked at", async () => {
    const { app, count, metrics } = serverFixture({ auth });
    app.post("/", async (c) => c.json(await c.req.json()));
    for (const [path, method] of [
      ["/", "POST"],
      ["/nowhere", "GET"],
      ["/", "PATCH"],
    ] as const) {
      const response = await app.request(path, { method, ...(method === "POST" ? { body: "{broken" } : {}) });
      assert.equal(response.headers.get("www-authenticate"), 'Bearer realm="mesh"');
      const problem = await problemOf(response);
      assert.deepEqual([problem.status, problem.code], [401, "ERR_UNAUTHENTICATED"]);
    }
    assert.equal(await count({ outcome: "unauthenticated" }), 3);
    assert.equal(await metricValue(metrics, "mesh_server_rejected_total", { reason: "unauthenticated" }), 3);
  });

  it("names the fault of a token that is not valid", async () => {
    const { app } = serverFixture({ auth });
    app.get("/", (c) => c.text("ok"));
    const response = await app.request("/", { headers: { authorization: "Bearer wrong" } });
    assert.equal(response.status, 401);
    assert.match(response.headers.get("www-authenticate")!, /error="invalid_token"/);
  });

  it("lets a token or a certificate in, and tells the handler which", async () => {
    const { app } = serverFixture({ auth });
    app.get("/", (c) => c.json([c.get("call").principal?.id, c.get("call").principal?.kind]));
    assert.deepEqual(await (await app.request("/", asAnn)).json(), ["ann", "token"]);
    const byPeer = await app.request("/", {}, connectionFrom("10.0.0.1", peerNamed("gateway")));
    assert.deepEqual(await byPeer.json(), ["gateway", "peer"]);
  });

  it("responds with 403 when the hook says no; it knows the route", async () => {
    const authorize = async (principal: unknown, call: { operation: string }): Promise<boolean> =>
      (principal as { id: string }).id === "ann" || call.operation === "GET /public/:page";
    const { app, count } = serverFixture({ auth: { ...auth, authorize } });
    app.get("/private", (c) => c.text("ok"));
    app.get("/public/:page", (c) => c.text("ok"));
    assert.equal((await app.request("/private", asAnn)).status, 200);
    assert.equal((await app.request("/public/1", asBob)).status, 200);
    const problem = await problemOf(await app.request("/private", asBob));
    assert.deepEqual([problem.status, problem.code], [403, "ERR_PERMISSION_DENIED"]);
    assert.equal(await count({ outcome: "permission_denied" }), 1);
  });
});

describe("concurrency", () => {
  it("above its limit is refused at once, and frees its place at every end", async () => {
    const { app, count } = serverFixture({ maxConcurrent: 1 });
    const gate = Promise.withResolvers<void>();
    app.get("/slow", async (c) => {
      await gate.promise;
      return c.text("ok");
    });
    app.get("/boom", async () => {
      throw new Error("x");
    });
    const slow = app.request("/slow");
    const problem = await problemOf(await app.request("/boom"));
    assert.deepEqual([problem.status, problem.code], [503, "ERR_BULKHEAD_FULL"]);
    gate.resolve();
    assert.equal((await slow).status, 200);
    for (let round = 0; round < 3; round++) assert.equal((await app.request("/boom")).status, 500);
    assert.equal(await count({ outcome: "bulkhead_full" }), 1);
  });

  it("is not used up by requests that were refused, or whose token took too long", async () => {
    const { app, clock } = serverFixture({
      maxConcurrent: 1,
      timeoutMs: 100,
      auth: {
        validate: async (token) => {
          await clock.sleep(token === "slow" ? 5_000 : 0);
          return { id: token, kind: "token", claims: {} };
        },
      },
    });
    app.get("/", (c) => c.text("ok"));
    const as = (token: string): Promise<Response> =>
      clock.run(Promise.resolve(app.request("/", { headers: { authorization: `Bearer ${token}` } })));
    assert.equal((await app.request("/")).status, 401);
    assert.equal((await as("slow")).status, 504);
    await clock.advance(5_000);
    assert.equal((await as("fast")).status, 200);
    assert.equal((await as("fast")).status, 200);
  });
});

describe("a pipeline that was closed", () => {
  it("refuses what is new and lets go on what runs", async () => {
    const { app, pipeline } = serverFixture();
    const gate = Promise.withResolvers<void>();
    app.get("/", async (c) => {
      await gate.promise;
      return c.text("ok");
    });
    const running = app.request("/");
    pipeline.close();
    const problem = await problemOf(await app.request("/"));
    assert.deepEqual([problem.status, problem.code], [503, "ERR_SHUTTING_DOWN"]);
    gate.resolve();
    assert.equal((await running).status, 200);
  });
});

describe("createRequestPipeline()", () => {
  it("serves RPC as well: operation, granted time and end of a call", async () => {
    const { pipeline, clock, metrics } = serverFixture();
    const request: ServedRequest<string> = {
      protocol: "grpc",
      operation: "v1.Lake/Get",
      headers: new Headers({ "mesh-timeout-ms": "5" }),
      connection: connectionFrom("10.0.0.1").connection,
      timeoutMs: 250,
      respond: (call, next) => next(call, request),
      handle: () => "under way",
    };
    const call = pipeline.open(request);
    assert.equal(pipeline.serve(call, request), "under way");
    assert.equal(call.deadline - clock.now(), 250);
    assert.equal(pipeline.inFlight, 1);
    await clock.advance(100);
    call.end(ok);
    call.end(ok);
    const labels = { operation: "v1.Lake/Get", protocol: "grpc", outcome: "ok" };
    assert.equal(await metricValue(metrics, "mesh_server_requests_total", labels), 1);
    assert.equal(await metricValue(metrics, "mesh_server_request_duration_seconds_sum", labels), 0.1);
    assert.equal(await metricValue(metrics, "mesh_server_in_flight"), 0);
  });

  it("refuses options that make no sense", () => {
    assert.throws(
      () => createRequestPipeline({ service: "x", server: { timeoutMs: -1 } }),
      /timeoutMs is -1/,
    );
    assert.throws(() => createRequestPipeline({ service: "x", server: { maxConcurrent: 0 } }), RangeError);
    assert.throws(
      () => createRequestPipeline({ service: "x", server: { rateLimit: { perMinute: 0 } } }),
      RangeError,
    );
    assert.throws(
      () => createRequestPipeline({ service: "x", server: { auth: { validate: "token" as never } } }),
      TypeError,
    );
    assert.throws(() => createRequestPipeline({ service: "" }), /service/);
  });
});

describe("metrics that fail", () => {
  it("keep no request from its end", async () => {
    const fail = (): never => {
      throw new Error("the registry is full");
    };
    const metrics = Object.assign(createMetrics(), {
      serverStarted: fail,
      serverEnded: fail,
      rejected: fail,
    });
    const { app, pipeline } = serverFixture({ auth, metrics });
    app.get("/", (c) => c.text("ok"));
    const printed = await printedErrors(async () => {
      assert.equal((await app.request("/", asAnn)).status, 200);
      assert.equal((await app.request("/")).status, 401);
    });
    assert.equal(pipeline.inFlight, 0);
    assert.equal(printed.length, 5);
  });
});
