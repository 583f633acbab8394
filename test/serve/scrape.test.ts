import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Metrics } from "../../src/telemetry/metrics.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { serverFixture } from "../hono/fixture.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** Where a promise belongs to one request, no two of them share one. */
const shares = globalThis.navigator?.userAgent !== "Cloudflare-Workers";

/** Metrics that take their time. */
function slowMetrics(clock: VirtualClock, tookMs: number): { readonly metrics: Metrics; count(): number } {
  const metrics = createMetrics();
  let made = 0;
  metrics.exposition = async () => {
    const page = `page ${++made}`;
    await clock.sleep(tookMs);
    return page;
  };
  return { metrics, count: () => made };
}

describe("/metrics", () => {
  it("is made once for any number of scrapes at the same time", async () => {
    const clock = new VirtualClock();
    const { metrics, count } = slowMetrics(clock, 1);
    const { app } = serverFixture({}, { metrics, clock });
    const scrapes = Array.from({ length: 300 }, async () => (await app.request("/metrics")).text());
    const pages = await clock.run(Promise.all(scrapes));
    assert.equal(count(), shares ? 1 : 300);
    if (shares) assert.deepEqual(new Set(pages), new Set(["page 1"]));
  });

  it("is made anew for the next scrape when that costs little", async () => {
    const clock = new VirtualClock();
    const { metrics } = slowMetrics(clock, 4);
    const { app } = serverFixture({}, { metrics, clock });
    for (const page of ["page 1", "page 2", "page 3"]) {
      const response = await clock.run(Promise.resolve(app.request("/metrics")));
      assert.equal(await response.text(), page);
    }
  });

  it("is shown again for ten times as long as it took when it costs much", async () => {
    const clock = new VirtualClock();
    const { metrics } = slowMetrics(clock, 60);
    const { app } = serverFixture({}, { metrics, clock });
    const pages: string[] = [];
    for (const ms of [0, 0, 599, 1]) {
      await clock.advance(ms);
      pages.push(await (await clock.run(Promise.resolve(app.request("/metrics")))).text());
    }
    assert.deepEqual(pages, ["page 1", "page 1", "page 1", "page 2"]);
  });

  it("fails one scrape when a collector throws or rejects, and waits for none that hangs for ever", async () => {
    const clock = new VirtualClock();
    const metrics = createMetrics();
    const { app } = serverFixture({}, { metrics, clock });
    const { exposition } = metrics;
    metrics.exposition = () => Promise.reject(new Error("a collector"));
    assert.equal((await app.request("/metrics")).status, 500);
    metrics.exposition = () => {
      throw new Error("a collector");
    };
    assert.equal((await app.request("/metrics")).status, 500);
    metrics.exposition = () => new Promise(() => {});
    void app.request("/metrics");
    metrics.exposition = exposition.bind(metrics);
    await clock.advance(10_000);
    assert.equal((await app.request("/metrics")).status, 200);
  });
});
