import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError } from "../../src/core/errors.ts";
import type { CallEvent } from "../../src/core/events.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { ServerLayer } from "../../src/serve/inbound-request.ts";
import { createRequestPipeline } from "../../src/serve/request-pipeline.ts";
import { problemOf, serverFixture } from "../hono/fixture.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";

const auth = { validate: staticTokens({ "token-a": "ann" }) };
const asAnn = { headers: { authorization: "Bearer token-a" } };

/** A layer that notes what it sees under a name. */
function noting(name: string, seen: string[]): ServerLayer {
  return (next) => (call, request) => {
    seen.push(`${name}: ${call.principal?.id ?? "anonymous"} ${request.operation}`);
    call.onEnd(({ status }) => seen.push(`${name}: ${status}`));
    return next(call, request);
  };
}

describe("a layer of the application around its server", () => {
  it("stands outside of security at `request`, and around the handler at `handler`", async () => {
    const seen: string[] = [];
    const layers = { request: [noting("request", seen)], handler: [noting("handler", seen)] };
    const { app } = serverFixture({ auth, layers });
    app.get("/", (c) => {
      seen.push("run");
      return c.text("ok");
    });
    assert.equal((await app.request("/", asAnn)).status, 200);
    assert.deepEqual(seen.splice(0), [
      "request: anonymous GET /",
      "handler: ann GET /",
      "run",
      "request: ok",
      "handler: ok",
    ]);
    assert.equal((await app.request("/")).status, 401);
    assert.deepEqual(seen, ["request: anonymous GET /", "request: unauthenticated"]);
  });

  it("runs in the order of the list, the first outermost", async () => {
    const order: string[] = [];
    const named =
      (name: string): ServerLayer =>
      (next) =>
      (call, request) => {
        order.push(name);
        return next(call, request);
      };
    const layers = { request: [named("a"), named("b")], handler: [named("c"), named("d")] };
    const { app } = serverFixture({ layers });
    app.get("/", (c) => c.text("ok"));
    await app.request("/");
    assert.deepEqual(order, ["a", "b", "c", "d"]);
  });

  it("keeps a response synchronous that is", () => {
    const { app } = serverFixture({ layers: { request: [noting("a", [])], handler: [noting("b", [])] } });
    app.get("/", (c) => c.text("ok"));
    assert.ok(app.request("/") instanceof Response);
  });

  for (const position of ["request", "handler"] as const) {
    it(`may refuse a request at \`${position}\`, at once or later, and that counts as refused`, async () => {
      for (const late of [false, true]) {
        const refuse: ServerLayer = () => () => {
          const error = new MeshError("ERR_PERMISSION_DENIED", "Not on a Sunday");
          if (!late) throw error;
          return settle().then(() => {
            throw error;
          });
        };
        const { app, metrics, count, pipeline } = serverFixture({ layers: { [position]: [refuse] } });
        let ran = false;
        app.get("/", (c) => {
          ran = true;
          return c.text("ok");
        });
        const problem = await problemOf(await app.request("/"));
        assert.deepEqual([problem.status, problem.detail, ran], [403, "Not on a Sunday", false]);
        assert.equal(await count({ outcome: "permission_denied" }), 1);
        assert.equal(
          await metricValue(metrics, "mesh_server_rejected_total", { reason: "permission_denied" }),
          1,
        );
        assert.equal(pipeline.inFlight, 0);
      }
    });

    it(`may be asynchronous at \`${position}\`, within the deadline`, async () => {
      const layer: ServerLayer = (next) => async (call, request) => {
        await clock.sleep(600);
        return next(call, request);
      };
      const { app, clock, count } = serverFixture({ timeoutMs: 1_000, layers: { [position]: [layer] } });
      let ran = 0;
      app.get("/", async (c) => {
        ran++;
        await clock.sleep(Number(c.req.query("ms")));
        return c.text("ok");
      });
      assert.equal((await clock.run(Promise.resolve(app.request("/?ms=100")))).status, 200);
      assert.equal((await clock.run(Promise.resolve(app.request("/?ms=500")))).status, 504);
      const impatient = { headers: { "mesh-timeout-ms": "100" } };
      assert.equal((await clock.run(Promise.resolve(app.request("/?ms=0", impatient)))).status, 504);
      await clock.advance(5_000);
      assert.equal(ran, 2);
      assert.equal(await count({ outcome: "deadline_exceeded" }), 2);
    });

    it(`may fail after the handler at \`${position}\`: the response is let go of`, async () => {
      const fail: ServerLayer = (next) => async (call, request) => {
        await next(call, request);
        throw new Error("an audit log that is full");
      };
      const { app, errors, count } = serverFixture({ layers: { [position]: [fail] } });
      let cancelled = 0;
      app.get("/", () => new Response(new ReadableStream({ cancel: () => void cancelled++ })));
      assert.equal((await app.request("/")).status, 500);
      assert.deepEqual([errors.length, cancelled], [1, 1]);
      assert.equal(await count({ outcome: "http_500" }), 1);
    });
  }

  it("sees what is in no list of routes, and a preflight only at `request`", async () => {
    const seen: string[] = [];
    const layers = { request: [noting("request", seen)], handler: [noting("handler", seen)] };
    const { app } = serverFixture({ layers, cors: { origins: "*" } });
    await app.request("/nowhere");
    assert.deepEqual(seen.splice(0), [
      "request: anonymous unmatched",
      "handler: anonymous unmatched",
      "request: route_unknown",
      "handler: route_unknown",
    ]);
    const headers = { origin: "https://page.test", "access-control-request-method": "GET" };
    assert.equal((await app.request("/", { method: "OPTIONS", headers })).status, 204);
    assert.deepEqual(seen, ["request: anonymous preflight", "request: ok"]);
  });

  it("must be a function, at a position that exists", () => {
    const make = (layers: unknown): unknown =>
      createRequestPipeline({ service: "x", layers: layers as never });
    assert.throws(() => make({ handlers: [] }), /no position "handlers" for layers; use request or handler/);
    assert.throws(() => make({ request: noting("a", []) }), /layers at "request" are no list of functions/);
    assert.throws(() => make({ handler: ["audit"] }), TypeError);
    assert.throws(() => make([]), TypeError);
  });
});

describe("the events of a server's call", () => {
  it("tell who calls, and what was refused", async () => {
    const events: CallEvent[] = [];
    const { app, pipeline } = serverFixture({
      auth,
      rateLimit: { perMinute: 1, burst: 1 },
      onEvent: (event) => events.push(event),
    });
    app.get("/", (c) => c.text("ok"));
    await app.request("/", asAnn);
    await app.request("/", asAnn);
    pipeline.close();
    await app.request("/", asAnn);
    assert.deepEqual(
      events.map((event) =>
        event.type === "authenticated"
          ? event.principal?.id
          : event.type === "refused"
            ? (event.error as MeshError).code
            : event.type,
      ),
      ["ann", "ann", "ERR_RATE_LIMITED", "ERR_SHUTTING_DOWN"],
    );
  });
});
