import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import type { ClientLayer } from "../../mod.ts";
import { withHeaders } from "../../mod.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { metricValue } from "../support/metric-value.ts";
import { echoLake } from "./echo-lake.ts";

/** Adds a header to each request that passes. */
const tenant: ClientLayer = (next) => (call, request) =>
  next(call, withHeaders(request, { "X-Tenant": `blue ${call.endpoint?.origin ?? ""}`.trim() }));

/** Notes what passes, and how it ended. */
function recorder(): { readonly layer: ClientLayer; readonly seen: string[] } {
  const seen: string[] = [];
  const layer: ClientLayer = (next) => (call, request) => {
    const what = "target" in request ? request.target : request.method.name;
    const where = call.endpoint?.origin ?? "nowhere yet";
    call.onEnd(({ status }) => seen.push(`${call.protocol} ${what} ${where} ${call.attempt} ${status}`));
    return next(call, request);
  };
  return { layer, seen };
}

describe("layers of a program's own around outgoing calls", () => {
  it("add a header to each request, by REST and by Connect, around calls and around attempts", async () => {
    for (const position of ["call", "attempt"] as const) {
      const { mesh, lake, requests } = lakeOf(echoLake(), { layers: { client: { [position]: [tenant] } } });
      await lake.get("x", { headers: { "x-own": "1" } }).text();
      const echo = createClient(EchoService, mesh.transport("lake"));
      await echo.echo({ text: "hi" }, { headers: { "x-own": "1", "x-tenant": "red" } });
      await mesh.fetch("mesh://lake/y");
      const expected = position === "call" ? "blue" : "blue http://lake.test";
      assert.deepEqual(
        requests.map(({ headers }) => [headers.get("x-tenant"), headers.get("x-own")]),
        [
          [expected, "1"],
          [expected, "1"],
          [expected, null],
        ],
      );
    }
  });

  it("see the whole call once and each attempt with its endpoint, and how they ended", async () => {
    const serve = echoLake();
    const busyOnce = (request: Request, number: number): Response | Promise<Response> =>
      number % 2 === 1 ? new Response("busy", { status: 503 }) : serve(request);
    const calls = recorder();
    const attempts = recorder();
    const { mesh, lake, clock } = lakeOf(busyOnce, {
      layers: { client: { call: [calls.layer], attempt: [attempts.layer] } },
    });
    await clock.run(lake.get("x").text());
    await clock.run(createClient(EchoService, mesh.transport("lake")).get({}));
    assert.deepEqual(calls.seen, ["rest /x nowhere yet 1 ok", "connect Get nowhere yet 1 ok"]);
    assert.deepEqual(attempts.seen, [
      "rest /x http://lake.test 1 http_503",
      "rest /x http://lake.test 2 ok",
      "connect Get http://lake.test 1 unavailable",
      "connect Get http://lake.test 2 ok",
    ]);
  });

  it("run in the order in which they are listed, the first outermost", async () => {
    const order: string[] = [];
    const named =
      (name: string): ClientLayer =>
      (next) =>
      async (call, request) => {
        order.push(`> ${name}`);
        const response = await next(call, request);
        order.push(`< ${name}`);
        return response;
      };
    const layers = { client: { call: [named("a"), named("b")], attempt: [named("c")] } };
    const { lake } = lakeOf(echoLake(), { layers });
    await lake.get("x").text();
    assert.deepEqual(order, ["> a", "> b", "> c", "< c", "< b", "< a"]);
  });

  it("fail a call by throwing, which counts in the metrics; around an attempt no endpoint is blamed", async () => {
    for (const position of ["call", "attempt"] as const) {
      const failing: ClientLayer = () => () => {
        throw new Error("not today");
      };
      const { mesh, lake, requests } = lakeOf(echoLake(), { layers: { client: { [position]: [failing] } } });
      assert.match((await errorOf(lake.get("x"))).message, /not today/);
      assert.match(
        (await errorOf(createClient(EchoService, mesh.transport("lake")).echo({}))).message,
        /not today/,
      );
      assert.equal(requests.length, 0);
      assert.equal(await metricValue(mesh.metrics, "mesh_client_in_flight"), 0);
      assert.deepEqual(
        mesh.endpoints().map(({ inFlight }) => inFlight),
        position === "call" ? [0] : [0],
      );
    }
  });

  it("may respond by themselves, a cache for example, and such a call is over then", async () => {
    const cached: ClientLayer = () => () => new Response("from the cache");
    for (const position of ["call", "attempt"] as const) {
      const layers = { client: { [position]: [cached] } };
      const { lake, mesh, requests, clock } = lakeOf(echoLake(), { layers });
      assert.equal(await lake.get("x").text(), "from the cache");
      assert.equal(await (await mesh.fetch("mesh://lake/y")).text(), "from the cache");
      await clock.advance(60_000);
      assert.equal(requests.length, 0);
      assert.equal(await metricValue(mesh.metrics, "mesh_client_in_flight"), 0);
      assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "ok" }), 2);
      assert.equal(mesh.endpoints()[0]?.inFlight, 0);
    }
  });

  it("do not see what goes to origins outside of the mesh", async () => {
    const { mesh, requests } = lakeOf(echoLake(), {
      layers: { client: { call: [tenant], attempt: [tenant] } },
    });
    await mesh.fetch("http://elsewhere.test/");
    assert.equal(requests[0]?.headers.get("x-tenant"), null);
  });

  it("are checked when the mesh is made", () => {
    const make = (client: unknown) => createMesh({ service: "a", layers: { client: client as never } });
    assert.throws(
      () => make({ call: tenant }),
      /layers.client.call is a function; put the function in brackets/,
    );
    assert.throws(() => make({ attempt: ["x"] }), /layers.client.attempt\[0\] is "x"; pass functions only/);
    assert.throws(() => make(7), /client layers of createMesh\(\): its options are 7/);
  });
});

describe("withHeaders()", () => {
  it("refuses names and values that cannot be sent", async () => {
    for (const headers of [{ "a b": "1" }, { a: "1\r\nb: 2" }]) {
      const layer: ClientLayer = (next) => (call, request) => next(call, withHeaders(request, headers));
      const { lake, mesh } = lakeOf(echoLake(), { layers: { client: { attempt: [layer] } } });
      assert.match((await errorOf(lake.get("x"))).message, /Cannot add headers to a request: /);
      const rpc = createClient(EchoService, mesh.transport("lake")).echo({});
      assert.match((await errorOf(rpc)).message, /Cannot add headers to a request: /);
    }
  });
});
