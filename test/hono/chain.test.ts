import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import type { Call } from "../../src/core/call.ts";
import { bodyLimit } from "../../src/hono/body-limit.ts";
import { connectionFrom, peerNamed, problemOf, serverFixture } from "./fixture.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("a request through createApp()", () => {
  it("reaches its handler with a call, and is counted under its route's pattern", async () => {
    const { app, count } = serverFixture();
    app.get("/datasets/:name", (c) => {
      const call = c.get("call");
      return c.json({
        name: c.req.param("name"),
        pattern: c.req.routePath,
        operation: call.operation,
        side: call.side,
      });
    });
    for (const name of ["flights", "weather"]) {
      const response = await app.request(`/datasets/${name}`);
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), {
        name,
        pattern: "/datasets/:name",
        operation: "GET /datasets/:name",
        side: "server",
      });
    }
    assert.equal(await count({ operation: "GET /datasets/:name", protocol: "rest", outcome: "ok" }), 2);
  });

  it("is responded to synchronously when nothing on the way is asynchronous", () => {
    const { app } = serverFixture({ auth: { authorize: () => true } });
    app.get("/", (c) => c.text("ok"));
    assert.ok(app.request("/") instanceof Response);
  });

  it("keeps its request id and trace, and has the id in its response", async () => {
    const { app } = serverFixture();
    app.get("/", (c) =>
      c.json([c.get("call").requestId, c.get("call").traceparent, c.get("call").tracestate]),
    );
    const response = await app.request("/", {
      headers: { "x-request-id": "req-1", traceparent, tracestate: "a=1" },
    });
    assert.equal(response.headers.get("x-request-id"), "req-1");
    assert.deepEqual(await response.json(), ["req-1", traceparent, "a=1"]);
  });

  it("gets a new request id and a new trace where what came is not well-formed", async () => {
    const { app } = serverFixture();
    app.get("/", (c) => c.json([c.get("call").traceparent, c.get("call").tracestate]));
    const response = await app.request("/", {
      headers: { "x-request-id": "a b", traceparent: "00-x-y-01", tracestate: "a=1" },
    });
    assert.match(response.headers.get("x-request-id")!, /^[0-9a-f]{24}$/);
    const [trace, state] = (await response.json()) as [string, string];
    assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.equal(state, "");
  });

  it("carries attempt, priority, retry ownership and the caller's deadline into the call", async () => {
    const { app, clock } = serverFixture({ timeoutMs: 10_000 });
    const seen: unknown[] = [];
    app.get("/", (c) => {
      const call = c.get("call");
      seen.push([call.attempt, call.priority, call.retryOwnedUpstream, call.deadline - clock.now()]);
      return c.text("ok");
    });
    const headers = { traceparent, "mesh-attempt": "2", "mesh-priority": "3", "mesh-retry": "never" };
    await app.request("/", { headers: { ...headers, "mesh-timeout-ms": "250" } });
    await app.request("/", { headers: { "mesh-timeout-ms": "60000" } });
    assert.deepEqual(seen, [
      [2, 3, true, 250],
      [1, 0, false, 10_000],
    ]);
  });

  it("knows the connection that the listener tells, and believes no header about it", async () => {
    const { app } = serverFixture();
    app.get("/", (c) => c.json([c.get("call").peer?.commonName, c.get("call").principal]));
    const headers = {
      "x-forwarded-client-cert": "Subject=CN=root",
      "x-forwarded-for": "1.2.3.4",
      "x-user": "root",
    };
    const response = await app.request("/", { headers }, connectionFrom("10.0.0.1", peerNamed("gateway")));
    assert.deepEqual(await response.json(), ["gateway", { id: "gateway", kind: "peer", claims: {} }]);
    assert.deepEqual(await (await app.request("/", { headers })).json(), [null, null]);
  });

  it("runs its handler inside the async context", async () => {
    const seen: (Call | undefined)[] = [];
    let current: Call | undefined;
    const asyncContext = {
      run<T>(call: Call, task: () => T): T {
        current = call;
        try {
          return task();
        } finally {
          current = undefined;
        }
      },
    };
    const { app } = serverFixture({}, { asyncContext });
    app.get("/", (c) => {
      seen.push(current, c.get("call"));
      return c.text("ok");
    });
    await app.request("/");
    assert.ok(seen[0] !== undefined && seen[0] === seen[1]);
  });

  it("is counted as in flight from its arrival to its response", async () => {
    const { app, pipeline } = serverFixture();
    const gate = Promise.withResolvers<void>();
    app.get("/", async (c) => {
      await gate.promise;
      return c.text("ok");
    });
    const answer = app.request("/");
    assert.equal(pipeline.inFlight, 1);
    gate.resolve();
    await answer;
    assert.equal(pipeline.inFlight, 0);
  });

  it("takes HEAD where GET is, without a body", async () => {
    const { app } = serverFixture();
    app.get("/", (c) => c.text("long"));
    const response = await app.request("/", { method: "HEAD" });
    assert.deepEqual([response.status, await response.text()], [200, ""]);
    assert.ok(response.headers.has("x-request-id"));
  });

  it("passes on a response whose headers cannot be changed", async () => {
    const { app } = serverFixture();
    app.get("/elsewhere", () => Response.redirect("https://example.com/", 302));
    const response = await app.request("/elsewhere");
    assert.equal(response.status, 302);
    assert.equal(response.headers.get("location"), "https://example.com/");
    assert.ok(response.headers.has("x-request-id"));
  });
});

describe("an app that grows", () => {
  it("runs middleware of its own inside the chain, in order", async () => {
    const { app, count } = serverFixture();
    const order: string[] = [];
    app.use("/a/*", async (c, next) => {
      order.push(`in ${c.get("call").operation}`);
      await next();
      order.push(`out ${c.res.status}`);
    });
    app.get("/a/:id", (c) => {
      order.push(c.req.param("id"));
      return c.text("ok");
    });
    const response = await app.request("/a/7");
    assert.equal(await response.text(), "ok");
    assert.ok(response.headers.has("x-request-id"));
    assert.deepEqual(order, ["in GET /a/:id", "7", "out 200"]);
    assert.equal(await count({ operation: "GET /a/:id", outcome: "ok" }), 1);
  });

  it("takes routes of other Hono apps, handlers for all methods and wildcards", async () => {
    const { app, count } = serverFixture();
    const sub = new Hono().get("/items/:id", (c) => c.text(`item ${c.req.param("id")}`));
    app.route("/v1", sub);
    app.all("/any", (c) => c.text(c.req.method));
    app.get("/files/*", (c) => c.text(c.req.path));
    assert.equal(await (await app.request("/v1/items/3")).text(), "item 3");
    assert.equal(await (await app.request("/any", { method: "DELETE" })).text(), "DELETE");
    assert.equal(await (await app.request("/files/a/b")).text(), "/files/a/b");
    assert.equal(await count({ operation: "GET /v1/items/:id" }), 1);
    assert.equal(await count({ operation: "ALL /any" }), 1);
    assert.equal(await count({ operation: "GET /files/*" }), 1);
  });

  it("keeps parameters apart where patterns overlap, whichever router Hono needs for them", async () => {
    const { app } = serverFixture();
    app.get("/:kind/:id", (c) => c.json(c.req.param()));
    app.get("/:owner/list/:page{[0-9]+}", (c) => c.json(c.req.param()));
    app.get("/exact/path", (c) => c.text("exact"));
    app.put("/:kind/:id", bodyLimit(Infinity), (c) => c.json(c.req.param()));
    assert.deepEqual(await (await app.request("/a/b")).json(), { kind: "a", id: "b" });
    assert.deepEqual(await (await app.request("/a/list/7")).json(), { owner: "a", page: "7" });
    assert.deepEqual(await (await app.request("/c/d", { method: "PUT" })).json(), { kind: "c", id: "d" });
    assert.deepEqual(await (await app.request("/e/f")).json(), { kind: "e", id: "f" });
  });

  it("responds with 404 and a problem, also when a handler finds nothing", async () => {
    const { app, count } = serverFixture();
    app.get("/found", (c) => c.notFound());
    for (const path of ["/nowhere", "/found"]) {
      const problem = await problemOf(await app.request(path, { headers: { "x-request-id": "r1" } }));
      assert.deepEqual([problem.status, problem.code, problem.instance], [404, "ERR_ROUTE_UNKNOWN", "r1"]);
    }
    assert.equal(await count({ operation: "unmatched", outcome: "route_unknown" }), 1);
    assert.equal(await count({ operation: "GET /found", outcome: "route_unknown" }), 1);
  });

  it("counts requests to unknown paths under one name, however many there are", async () => {
    const { app, metrics, count } = serverFixture();
    app.use("/admin/*", (_, next) => next());
    for (let index = 0; index < 50; index++) await app.request(`/${index % 2 ? "admin/" : ""}${index}`);
    assert.equal(await count({ operation: "unmatched" }), 50);
    const lines = (await metrics.exposition()).split("\n");
    assert.equal(lines.filter((line) => line.startsWith("mesh_server_requests_total{")).length, 1);
  });

  it("responds with 405 and the methods that the path takes", async () => {
    const { app, count } = serverFixture();
    app.get("/datasets/:name", (c) => c.text("ok"));
    app.put("/datasets/:name", (c) => c.text("ok"));
    app.post("/datasets", (c) => c.text("ok"));
    const response = await app.request("/datasets/flights", { method: "DELETE" });
    assert.equal(response.headers.get("allow"), "GET, PUT, HEAD");
    const problem = await problemOf(response);
    assert.deepEqual([problem.status, problem.code], [405, "ERR_METHOD_NOT_ALLOWED"]);
    assert.equal(await count({ operation: "unmatched", outcome: "method_not_allowed" }), 1);
  });
});
