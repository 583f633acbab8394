import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { isMeshError } from "../../src/core/errors.ts";
import { isHttpError } from "../../src/rest/http-error.ts";
import { metricValue } from "../support/metric-value.ts";
import { bodyOf, drain, errorOf, lakeOf } from "./lake.ts";

describe("a REST call and the policies", () => {
  const busyOnce = (_: Request, number: number): Response =>
    number === 1 ? new Response("busy", { status: 503 }) : new Response("ok");

  it("is repeated by its method, and says which attempt it is", async () => {
    const { lake, clock, requests } = lakeOf(busyOnce);
    assert.equal(await clock.run(lake.put("x", { json: { a: 1 } }).text()), "ok");
    assert.deepEqual(
      requests.map((request) => request.headers.get("mesh-attempt")),
      [null, "2"],
    );
    assert.equal(requests[1]?.headers.get("content-type"), "application/json");
  });

  it("is not repeated when nothing says that it may be", async () => {
    const { lake, clock, requests } = lakeOf(busyOnce);
    const error = await clock.run(errorOf(lake.post("x")));
    assert.ok(isHttpError(error, 503));
    assert.equal(requests.length, 1);
  });

  it("is repeated with an idempotency key, and on the caller's word", async () => {
    for (const word of [{ idempotencyKey: "k1" }, { idempotent: true }]) {
      const { lake, clock, requests } = lakeOf(busyOnce);
      assert.equal(await clock.run(lake.post("x", word).text()), "ok");
      assert.equal(requests[1]?.headers.get("idempotency-key"), "idempotencyKey" in word ? "k1" : null);
    }
    const { lake, clock } = lakeOf(busyOnce);
    assert.ok(isHttpError(await clock.run(errorOf(lake.get("x", { idempotent: false }))), 503));
  });

  it("is not repeated when its body was a stream, but when a function makes a new one", async () => {
    const readThenBusy = async (request: Request, number: number): Promise<Response> => {
      const text = await request.text();
      return number === 1 ? new Response("busy", { status: 503 }) : new Response(text);
    };
    const once = lakeOf(readThenBusy);
    const error = await once.clock.run(errorOf(once.lake.put("x", { body: bodyOf(["a", "b"]) })));
    assert.ok(isHttpError(error, 503));
    assert.equal(once.requests.length, 1);
    const again = lakeOf(readThenBusy);
    assert.equal(await again.clock.run(again.lake.put("x", { body: () => bodyOf(["a", "b"]) }).text()), "ab");
    assert.equal(again.requests.length, 2);
  });

  it("waits exactly as long as the service says", async () => {
    const { lake, clock } = lakeOf((_, number) =>
      number === 1 ? new Response("", { status: 503, headers: { "retry-after": "3" } }) : new Response("ok"),
    );
    const start = clock.now();
    await clock.run(lake.get("x").text());
    assert.equal(clock.now() - start, 3_000);
  });

  it("gives a response up without holding its connection", async () => {
    let cancelled = 0;
    const { lake, clock } = lakeOf((_, number) =>
      number === 1
        ? new Response(
            bodyOf(["x"], "never", () => {
              cancelled++;
            }),
            { status: 503 },
          )
        : new Response("ok"),
    );
    assert.equal(await clock.run(lake.get("x").text()), "ok");
    assert.equal(cancelled, 1);
  });

  it("ends at the deadline when nobody responds, and the request is aborted", async () => {
    const { lake, clock, requests } = lakeOf(() => new Promise(() => {}));
    const start = clock.now();
    const error = await clock.run(errorOf(lake.get("x", { timeoutMs: 800 })));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"));
    assert.ok(clock.now() - start < 900);
    assert.equal(requests[0]?.signal.aborted, true);
  });

  it("ends at the deadline when the body stalls, whole or as a stream", async () => {
    for (const read of ["text", "stream"] as const) {
      const { lake, mesh, clock } = lakeOf(() => new Response(bodyOf(["a"], "never")));
      const reading =
        read === "text"
          ? lake.get("x", { timeoutMs: 800 }).text()
          : drain(lake.get("x", { timeoutMs: 800 }).stream());
      const error = await clock.run(errorOf(reading));
      assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
      const labels = { outcome: "deadline_exceeded" };
      assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", labels), 1);
    }
  });

  it("fails when the service vanishes in mid-stream, and counts it", async () => {
    const { lake, mesh } = lakeOf(() => new Response(bodyOf(["a"], new TypeError("terminated"))));
    const error = await errorOf(drain(lake.get("x").stream()));
    assert.ok(isMeshError(error, "ERR_TRANSPORT"), String(error));
    assert.match(error.message, /^Cannot read the response of lake at http:\/\/lake\.test: .*terminated/);
    const labels = { outcome: "transport_unknown" };
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", labels), 1);
  });

  it("is cancelled by the caller's signal, with its reason", async () => {
    const controller = new AbortController();
    const { lake, mesh, requests } = lakeOf(() => new Promise(() => {}));
    const failed = errorOf(lake.get("x", { signal: controller.signal }));
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    assert.equal(await failed, reason);
    assert.equal(requests[0]?.signal.aborted, true);
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "cancelled" }), 1);
  });

  it("does not count a body that the caller's stream could not deliver against the service", async () => {
    const { lake, mesh } = lakeOf(async (request) => new Response(await request.text()));
    const error = await errorOf(lake.post("x", { body: bodyOf(["a"], new Error("disk full")) }));
    assert.ok(isMeshError(error, "ERR_CANCELLED"), String(error));
    assert.equal((error.cause as Error).message, "disk full");
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "cancelled" }), 1);
  });

  it("counts a response that nobody read as the success it was", async () => {
    const { lake, mesh, clock } = lakeOf(() => new Response(bodyOf(["a"], "never")));
    const response = await lake.get("x", { timeoutMs: 500 });
    assert.equal(response.status, 200);
    await clock.advance(600);
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "unread" }), 1);
  });

  it("names the service that the resolver does not know", async () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    const error = await errorOf(mesh.rest("swamp").get("x"));
    assert.ok(isMeshError(error, "ERR_SERVICE_UNKNOWN"));
    assert.match(error.message, /swamp/);
  });
});

describe("RestClient.health()", () => {
  it("tells live and ready apart, with what /readyz says", async () => {
    const app = new Hono()
      .get("/healthz", (c) => c.json({ status: "ok" }))
      .get("/readyz", (c) => c.json({ status: "not_ready", checks: { disk: "full" } }, 503));
    const { lake, clock } = lakeOf((request) => app.fetch(request));
    assert.deepEqual(await clock.run(lake.health()), {
      live: true,
      ready: false,
      status: "not_serving",
      details: { status: "not_ready", checks: { disk: "full" } },
    });
  });

  it("says serving when both do", async () => {
    const { lake } = lakeOf(() => new Response("ok"));
    assert.deepEqual(await lake.health(), { live: true, ready: true, status: "serving", details: "ok" });
  });

  it("says unreachable instead of throwing", async () => {
    const { lake, clock } = lakeOf(() => {
      throw new TypeError("fetch failed");
    });
    const health = await clock.run(lake.health());
    assert.deepEqual([health.live, health.ready, health.status], [false, false, "unreachable"]);
    assert.match(String(health.details), /^Cannot reach lake at http:\/\/lake\.test/);
  });
});
