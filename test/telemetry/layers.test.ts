import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { endWithError } from "../../src/core/classifier.ts";
import { MeshError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { attemptMetrics, clientMetrics } from "../../src/telemetry/layers.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { metricValue } from "../support/metric-value.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

function callOf(): Call {
  return new Call({ side: "client", protocol: "grpc", service: "lake", operation: "v1.Lake/Get" });
}

describe("clientMetrics()", () => {
  it("counts and times a call by the outcome that its transport stated", async () => {
    const [clock, metrics] = [new VirtualClock(), createMetrics()];
    const service = clientMetrics({ metrics, clock })(async (call) => {
      await clock.sleep(2_000);
      call.end(outcome("retryable", "unavailable"));
      return "late";
    });
    const response = service(callOf(), undefined);
    assert.equal(await metricValue(metrics, "mesh_client_in_flight"), 1);
    assert.equal(await clock.run(Promise.resolve(response)), "late");
    assert.equal(await metricValue(metrics, "mesh_client_in_flight"), 0);
    const labels = { service: "lake", operation: "v1.Lake/Get", protocol: "grpc", outcome: "unavailable" };
    assert.equal(await metricValue(metrics, "mesh_client_requests_total", labels), 1);
    assert.equal(await metricValue(metrics, "mesh_client_request_duration_seconds_sum", labels), 2);
  });

  it("counts an error by the outcome that it ends the call with, and lets it out unchanged", async () => {
    const metrics = createMetrics();
    const error = new MeshError("ERR_BREAKER_OPEN", "open");
    const call = callOf();
    const service = clientMetrics({ metrics })(() => Promise.reject(error));
    await assert.rejects(Promise.resolve(service(call, undefined)), error);
    endWithError(call, error);
    assert.equal(await metricValue(metrics, "mesh_client_requests_total", { outcome: "breaker_open" }), 1);
  });

  it("waits for the end of a stream, however often it ends", async () => {
    const [clock, metrics] = [new VirtualClock(), createMetrics()];
    const call = callOf();
    await clientMetrics({ metrics, clock })(async () => "stream")(call, undefined);
    assert.equal(await metricValue(metrics, "mesh_client_requests_total"), undefined);
    await clock.advance(5_000);
    call.end(outcome("retryable", "data_loss"));
    call.end(ok);
    assert.equal(await metricValue(metrics, "mesh_client_requests_total", { outcome: "data_loss" }), 1);
    assert.equal(await metricValue(metrics, "mesh_client_requests_total"), 1);
    assert.equal(await metricValue(metrics, "mesh_client_request_duration_seconds_sum"), 5);
    assert.equal(await metricValue(metrics, "mesh_client_in_flight"), 0);
  });
});

describe("attemptMetrics()", () => {
  it("counts each attempt with its own outcome", async () => {
    const metrics = createMetrics();
    const stated = [outcome("retryable", "deadline_exceeded"), ok];
    const service = attemptMetrics({ metrics })((attempt) => {
      attempt.end(stated[attempt.attempt - 1] ?? ok);
      return "response";
    });
    const call = callOf();
    service(call.fork(1), undefined);
    service(call.fork(2), undefined);
    assert.equal(
      await metricValue(metrics, "mesh_client_attempts_total", { outcome: "deadline_exceeded" }),
      1,
    );
    assert.equal(await metricValue(metrics, "mesh_client_attempts_total", { outcome: "ok" }), 1);
  });
});
