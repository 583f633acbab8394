import assert from "node:assert/strict";
import { describe, it } from "node:test";
import PromRegistry from "prom-client/lib/registry.js";
import { type BreakerView, createMetrics } from "../../src/telemetry/metrics.ts";
import { metricValue } from "../support/metric-value.ts";

const lake = { service: "lake", operation: "GET /datasets", protocol: "rest" } as const;

describe("createMetrics()", () => {
  it("counts calls and their durations, cumulative over the buckets, in seconds", async () => {
    const metrics = createMetrics({ buckets: [0.1, 1] });
    for (const seconds of [0.05, 0.1, 0.5, 7]) {
      metrics.clientStarted();
      metrics.clientEnded(lake, "ok", seconds);
    }
    const name = "mesh_client_request_duration_seconds";
    assert.equal(await metricValue(metrics, `${name}_bucket`, { le: "0.1" }), 2);
    assert.equal(await metricValue(metrics, `${name}_bucket`, { le: "1" }), 3);
    assert.equal(await metricValue(metrics, `${name}_bucket`, { le: "+Inf" }), 4);
    assert.equal(await metricValue(metrics, `${name}_count`), 4);
    assert.equal(await metricValue(metrics, `${name}_sum`), 7.65);
    assert.equal(
      await metricValue(metrics, "mesh_client_requests_total", {
        service: "lake",
        operation: "GET /datasets",
        protocol: "rest",
        outcome: "ok",
      }),
      4,
    );
  });

  it("tells label sets apart", async () => {
    const metrics = createMetrics();
    metrics.attemptEnded(lake, "ok");
    metrics.attemptEnded(lake, "http_503");
    metrics.attemptEnded(lake, "http_503");
    metrics.attemptEnded({ ...lake, protocol: "grpc" }, "http_503");
    const count = (labels: Record<string, string>): Promise<number | undefined> =>
      metricValue(metrics, "mesh_client_attempts_total", labels);
    assert.equal(await count({ outcome: "ok" }), 1);
    assert.equal(await count({ outcome: "http_503", protocol: "rest" }), 2);
    assert.equal(await count({ protocol: "grpc" }), 1);
  });

  it("shows what is in flight, retries, refusals and connection errors", async () => {
    const metrics = createMetrics();
    metrics.clientStarted();
    metrics.serverStarted();
    metrics.serverStarted();
    metrics.serverEnded("GET /", "rest", "ok", 0.01);
    metrics.retried(lake);
    metrics.rejected("rate_limited");
    metrics.connectionError("tls");
    assert.equal(await metricValue(metrics, "mesh_client_in_flight"), 1);
    assert.equal(await metricValue(metrics, "mesh_server_in_flight"), 1);
    assert.equal(
      await metricValue(metrics, "mesh_server_requests_total", { operation: "GET /", outcome: "ok" }),
      1,
    );
    assert.equal(await metricValue(metrics, "mesh_client_retries_total", { service: "lake" }), 1);
    assert.equal(await metricValue(metrics, "mesh_server_rejected_total", { reason: "rate_limited" }), 1);
    assert.equal(await metricValue(metrics, "mesh_connection_errors_total", { kind: "tls" }), 1);
  });

  it("asks for the breakers when scraped, shows the worst of an endpoint, and stops when told", async () => {
    const metrics = createMetrics();
    const [service, origin] = ["lake", "https://10.0.0.7"];
    const views: BreakerView[] = [{ service, origin, breakerState: "open" }];
    const stop = metrics.watchBreakers(() => views);
    metrics.watchBreakers(() => [
      { service, origin, breakerState: "half-open" },
      { service, origin: "https://10.0.0.8", breakerState: undefined },
    ]);
    const seen = (endpoint: string): Promise<number | undefined> =>
      metricValue(metrics, "mesh_breaker_state", { service, endpoint });
    assert.equal(await seen(origin), 2);
    assert.equal(await seen("https://10.0.0.8"), undefined);
    views.length = 0;
    assert.equal(await seen(origin), 1);
    views.push({ service, origin: "https://10.0.0.9", breakerState: "closed" });
    assert.equal(await seen("https://10.0.0.9"), 0);
    stop();
    assert.equal(await seen("https://10.0.0.9"), undefined);
  });

  it("asks for the gRPC sessions when scraped, adds up those of an endpoint, and stops when told", async () => {
    const metrics = createMetrics();
    const endpoint = "https://10.0.0.7";
    const states = [{ endpoint, sessions: 1, streams: 7, waiting: 0 }];
    const stop = metrics.watchSessions(() => states);
    metrics.watchSessions(() => [{ endpoint, sessions: 2, streams: 3, waiting: 4 }]);
    const seen = (): Promise<(number | undefined)[]> =>
      Promise.all(
        ["sessions", "streams", "waiting"].map((what) =>
          metricValue(metrics, `mesh_rpc_${what}`, { endpoint }),
        ),
      );
    assert.deepEqual(await seen(), [3, 10, 4]);
    states[0] = { endpoint, sessions: 0, streams: 0, waiting: 0 };
    assert.deepEqual(await seen(), [2, 3, 4]);
    stop();
    states[0] = { endpoint, sessions: 9, streams: 9, waiting: 9 };
    assert.deepEqual(await seen(), [2, 3, 4]);
    metrics.watchSessions(() =>
      Array.from({ length: 2000 }, (_, index) => ({ ...states[0]!, endpoint: `http://${index}` })),
    );
    const series = (await metrics.exposition()).match(/^mesh_rpc_streams\{/gm);
    assert.ok(series!.length <= 502, `${series!.length} series`);
  });

  it("bounds the number of series: first the operation becomes other, then everything", async () => {
    const metrics = createMetrics({ maxSeries: 10 });
    for (let index = 0; index < 1000; index++) {
      metrics.attemptEnded({ ...lake, operation: `GET /${index}` }, "ok");
      metrics.attemptEnded({ ...lake, service: `made-up-${index}` }, "ok");
    }
    const text = await metrics.exposition();
    const series = text.split("\n").filter((line) => line.startsWith("mesh_client_attempts_total{"));
    assert.ok(series.length <= 16, `${series.length} series`);
    assert.equal(await metricValue(metrics, "mesh_client_attempts_total"), 2000);
    assert.ok(
      (await metricValue(metrics, "mesh_client_attempts_total", { service: "lake", operation: "other" }))! >
        900,
    );
    assert.ok((await metricValue(metrics, "mesh_client_attempts_total", { service: "other" }))! > 900);
  });

  it("keeps counting in the right series while its arrays grow", async () => {
    const metrics = createMetrics();
    for (let round = 1; round <= 3; round++) {
      for (let index = 0; index < 100; index++) metrics.serverStarted();
      for (let index = 0; index < 100; index++)
        metrics.serverEnded(`GET /${index}`, "rest", "ok", 0.001 * index);
    }
    for (const index of [0, 15, 16, 17, 99]) {
      assert.equal(
        await metricValue(metrics, "mesh_server_requests_total", { operation: `GET /${index}` }),
        3,
      );
    }
    const sum = await metricValue(metrics, "mesh_server_request_duration_seconds_sum", {
      operation: "GET /50",
    });
    assert.ok(Math.abs(sum! - 0.15) < 1e-9);
  });

  it("escapes label values as Prometheus demands", async () => {
    const metrics = createMetrics();
    metrics.connectionError('a"b\\c\nd');
    assert.ok((await metrics.exposition()).includes('mesh_connection_errors_total{kind="a\\"b\\\\c\\nd"} 1'));
  });

  it("shares a registry of the user's own", async () => {
    const registry = new PromRegistry();
    const metrics = createMetrics({ registry });
    metrics.connectionError("tls");
    registry.registerMetric({
      name: "rows_total",
      get: async () => ({
        name: "rows_total",
        help: "Rows.",
        type: "counter",
        values: [{ value: 3, labels: {} }],
      }),
    } as never);
    assert.equal(await metricValue(metrics, "rows_total"), 3);
    assert.ok((await registry.metrics()).includes("mesh_connection_errors_total"));
    assert.throws(() => createMetrics({ registry }), /already been registered/);
  });

  it("can be read as JSON, labelled by default, and reset, like prom-client's own metrics", async () => {
    const metrics = createMetrics();
    metrics.registry.setDefaultLabels({ zone: "eu" });
    metrics.attemptEnded(lake, "ok");
    assert.equal(await metricValue(metrics, "mesh_client_attempts_total", { zone: "eu" }), 1);
    const json = (await metrics.registry.getMetricsAsJSON()).find(
      ({ name }) => name === "mesh_client_attempts_total",
    );
    assert.ok(JSON.stringify(json).includes('"value":1'));
    metrics.registry.resetMetrics();
    assert.equal(await metricValue(metrics, "mesh_client_attempts_total"), undefined);
    metrics.attemptEnded(lake, "ok");
    assert.equal(await metricValue(metrics, "mesh_client_attempts_total"), 1);
  });

  it("speaks OpenMetrics when its registry does", async () => {
    const registry = new PromRegistry();
    registry.setContentType(PromRegistry.OPENMETRICS_CONTENT_TYPE as never);
    const metrics = createMetrics({ registry });
    metrics.connectionError("tls");
    const text = await metrics.exposition();
    assert.match(metrics.contentType, /openmetrics/);
    assert.ok(text.includes("# TYPE mesh_connection_errors counter\nmesh_connection_errors_total"));
    assert.ok(text.endsWith("# EOF\n"));
  });

  it("refuses options that make no sense", () => {
    assert.throws(() => createMetrics({ maxSeries: 0 }), /maxSeries is 0/);
    assert.throws(() => createMetrics({ buckets: [1, 1] }), /buckets\[1\] is 1/);
    assert.throws(() => createMetrics({ buckets: [0] }), RangeError);
  });
});
