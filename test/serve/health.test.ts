import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../src/core/clock.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { createHealth } from "../../src/serve/health.ts";
import type { HealthCheck } from "../../src/serve/health-checks.ts";
import { serverFixture } from "../hono/fixture.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

describe("createHealth()", () => {
  it("is ready when the service wants traffic and every check holds", async () => {
    const health = createHealth({ checks: { disk: () => {}, peers: async () => true } });
    assert.deepEqual(await health.readiness(), { status: "ready", checks: { disk: "ok", peers: "ok" } });
  });

  it("is not ready when a check throws, rejects, responses false or takes too long, and says which", async () => {
    const clock = new VirtualClock();
    let aborted = false;
    const health = createHealth({
      clock,
      checkTimeoutMs: 500,
      checks: {
        good: () => true,
        throws: () => {
          throw new Error("secret");
        },
        rejects: () => Promise.reject(new Error("secret")),
        false: async () => false,
        hangs: (signal) =>
          new Promise(() => {
            signal.addEventListener("abort", () => {
              aborted = true;
            });
          }),
      },
    });
    assert.deepEqual(await clock.run(health.readiness()), {
      status: "not-ready",
      checks: { good: "ok", throws: "failed", rejects: "failed", false: "failed", hangs: "timeout" },
    });
    assert.equal(aborted, true);
    assert.equal(clock.pending, 0);
  });

  it("asks the checks once per second at most", async () => {
    const clock = new VirtualClock();
    let sentRequest = 0;
    const check: HealthCheck = () => ++sentRequest < 2;
    const health = createHealth({ clock, checks: { check } });
    const statuses = [];
    for (const ms of [0, 999, 1]) {
      await clock.advance(ms);
      statuses.push((await health.readiness()).status);
    }
    assert.deepEqual(statuses, ["ready", "ready", "not-ready"]);
    assert.equal(sentRequest, 2);
  });

  it("asks the checks once for any number of probes at the same time", async () => {
    for (const maxAgeMs of [1_000, 0]) {
      const clock = new VirtualClock();
      let sentRequest = 0;
      const check: HealthCheck = async () => {
        sentRequest++;
        await clock.sleep(100);
        return sentRequest === 1;
      };
      const health = createHealth({ clock, maxAgeMs, checks: { check } });
      const { app } = serverFixture({}, { health });
      const probes = Promise.all(
        Array.from({ length: 300 }, async () => (await app.request("/readyz")).status),
      );
      const statuses = await clock.run(probes);
      assert.deepEqual(new Set(statuses), new Set([200]));
      assert.equal(sentRequest, 1);
      assert.equal(clock.pending, 0);
      await clock.advance(1_000);
      assert.equal((await clock.run(health.readiness())).status, "not-ready");
      assert.equal(sentRequest, 2);
    }
  });

  it("waits for checks that another request started no longer than checks may take", async () => {
    // On an edge platform, what a cancelled request was waiting for never comes, its timers included.
    const base = new VirtualClock();
    let cancelled = true;
    const clock: Clock = {
      now: base.now,
      sleep: (ms, signal) => base.sleep(ms, signal),
      schedule: (task, ms) => (cancelled ? () => {} : base.schedule(task, ms)),
    };
    let sentRequest = 0;
    const check: HealthCheck = () => (++sentRequest === 1 ? new Promise(() => {}) : true);
    const health = createHealth({ clock, checkTimeoutMs: 500, checks: { check } });
    void health.readiness();
    cancelled = false;
    const joined = await base.run(health.readiness());
    assert.deepEqual(joined, { status: "not-ready", checks: { check: "timeout" } });
    assert.deepEqual(await base.run(health.readiness()), { status: "ready", checks: { check: "ok" } });
    assert.deepEqual([sentRequest, base.pending], [2, 0]);
  });

  it("minds no check that fails after its time was up, and none that responds with nonsense", async () => {
    const clock = new VirtualClock();
    const health = createHealth({
      clock,
      checkTimeoutMs: 500,
      checks: {
        late: async () => {
          await clock.sleep(1_000);
          throw new Error("late");
        },
        thenable: () => ({
          // biome-ignore lint/suspicious/noThenProperty: a hook may return anything
          then(_: unknown, reject: (reason: unknown) => void) {
            reject("no error");
            throw new Error("twice");
          },
        }),
        throwsNothing: () => {
          throw undefined;
        },
        symbol: () => Symbol("yes"),
      },
    });
    const { checks } = await clock.run(health.readiness());
    assert.deepEqual(checks, { late: "timeout", thenable: "failed", throwsNothing: "failed", symbol: "ok" });
    await clock.advance(1_000);
  });

  it("tells every listener, whatever the one before it throws or rejects with", async () => {
    const health = createHealth();
    const seen: string[] = [];
    health.subscribe(() => {
      throw new Error("a listener");
    });
    health.subscribe(() => Promise.reject(new Error("a listener")));
    health.subscribe((status) => seen.push(status));
    const printed = await printedErrors(async () => {
      health.setReady(false);
      await health.drain();
    });
    assert.deepEqual(seen, ["not-ready", "draining"]);
    assert.equal(printed.length, 2);
  });

  it("tells its watchers of changes only, and drains for good", () => {
    const health = createHealth();
    const seen: string[] = [];
    const stop = health.subscribe((status) => seen.push(status));
    health.setReady(true);
    health.setReady(false);
    health.setReady(false);
    health.setReady(true);
    health.drain();
    health.drain();
    health.setReady(true);
    assert.deepEqual(seen, ["not-ready", "ready", "draining"]);
    assert.equal(health.status, "draining");
    stop();
    health.subscribe(() => assert.fail("told of no change"));
  });

  it("refuses options that make no sense", () => {
    assert.throws(() => createHealth({ checkTimeoutMs: 0 }), RangeError);
    assert.throws(() => createHealth({ checks: { disk: true as never } }), /checks\.disk is true/);
  });
});

describe("the routes of health and metrics", () => {
  const health = createHealth();
  const guarded = (): ReturnType<typeof serverFixture> => {
    const base = serverFixture();
    return serverFixture(
      {
        auth: { validate: staticTokens({ t: "ann" }) },
        rateLimit: { perMinute: 1, burst: 1 },
        metrics: base.metrics,
      },
      { health, metrics: base.metrics },
    );
  };

  it("bypass security, limits and the request metrics", async () => {
    const { app } = guarded();
    for (let round = 0; round < 5; round++) {
      for (const path of ["/healthz", "/readyz", "/metrics"])
        assert.equal((await app.request(path)).status, 200);
    }
    const text = await (await app.request("/metrics")).text();
    assert.ok(!text.includes('operation="GET /healthz"'));
    assert.ok(!text.includes("unmatched"));
  });

  it("bypass them also when middleware of the app's own stands before them", async () => {
    const { app } = guarded();
    app.use((_, next) => next());
    for (let round = 0; round < 3; round++) assert.equal((await app.request("/readyz")).status, 200);
    assert.equal((await app.request("/other")).status, 401);
  });

  it("tell whether the service is ready", async () => {
    const own = createHealth({ checks: { disk: () => true } });
    const { app } = serverFixture({}, { health: own });
    const ready = await app.request("/readyz");
    assert.deepEqual([ready.status, await ready.json()], [200, { status: "ready", checks: { disk: "ok" } }]);
    assert.equal(ready.headers.get("cache-control"), "no-store");
    own.setReady(false);
    assert.equal((await app.request("/readyz")).status, 503);
    own.drain();
    const draining = await app.request("/readyz");
    assert.deepEqual(
      [draining.status, ((await draining.json()) as { status: string }).status],
      [503, "draining"],
    );
    assert.equal((await app.request("/healthz")).status, 200);
  });

  it("are shown as the app says: to all, to authenticated callers, or to nobody", async () => {
    const { metrics } = serverFixture();
    const auth = { validate: staticTokens({ t: "ann" }), required: false };
    const headers = { authorization: "Bearer t" };
    for (const [exposure, anonymous, authenticated] of [
      [true, 200, 200],
      ["authenticated", 401, 200],
      [false, 404, 404],
    ] as const) {
      const expose = { probes: exposure, metrics: exposure };
      const { app } = serverFixture({ auth, metrics }, { health, metrics, expose });
      for (const path of ["/healthz", "/readyz", "/metrics"]) {
        assert.equal((await app.request(path)).status, anonymous, `${path} ${exposure}`);
        assert.equal((await app.request(path, { headers })).status, authenticated, `${path} ${exposure}`);
      }
    }
  });

  it("show the metrics as Prometheus wants them", async () => {
    const { metrics } = serverFixture();
    const { app } = serverFixture({ metrics }, { metrics });
    app.get("/", (c) => c.text("ok"));
    await app.request("/");
    const response = await app.request("/metrics");
    assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    assert.ok(
      (await response.text()).includes(
        'mesh_server_requests_total{operation="GET /",protocol="rest",outcome="ok"} 1',
      ),
    );
  });
});
