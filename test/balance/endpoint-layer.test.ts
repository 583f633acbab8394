import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { balanced } from "../../src/balance/endpoint-layer.ts";
import type { Call } from "../../src/core/call.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { compose } from "../../src/core/service.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { retry } from "../../src/policy/retry.ts";
import { newCall, ScriptedError, scriptedService, streams, succeeds } from "../policy/scenario.ts";
import { seededRandom } from "../support/random.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";
import { a, b, c, changingResolver as changing, balancedScenario as setUp } from "./balanced-scenario.ts";

describe("balanced()", () => {
  it("sets the endpoint that the call goes to, and uses them all", async () => {
    const { run, calls } = setUp({}, succeeds);
    for (let turn = 0; turn < 20; turn++) await run();
    assert.deepEqual(new Set(calls.map((call) => call.endpoint?.origin)), new Set([a, b]));
  });

  it("refuses an unknown service, naming it and those it knows, or the nearest", async () => {
    const { run, calls } = setUp({}, succeeds);
    await assert.rejects(run(newCall({ service: "swamp" })), {
      code: "ERR_SERVICE_UNKNOWN",
      message: "Cannot call swamp: the resolver knows no service of that name; it knows lake",
    });
    await assert.rejects(run(newCall({ service: "laek" })), {
      code: "ERR_SERVICE_UNKNOWN",
      message: "Cannot call laek: the resolver knows no service of that name; did you mean lake?",
    });
    const bare = setUp({ resolver: staticResolver({}) }, succeeds);
    await assert.rejects(bare.run(), { message: /knows no service of that name; it knows none$/ });
    const silent = setUp({ resolver: { resolve: () => undefined } }, succeeds);
    await assert.rejects(silent.run(), {
      message: "Cannot call lake: the resolver knows no service of that name",
    });
    assert.equal(calls.length, 0);
  });

  it("refuses a service that runs nowhere right now", async () => {
    const { run } = setUp({ resolver: changing() }, succeeds);
    await assert.rejects(run(), {
      code: "ERR_NO_ENDPOINTS",
      message: "Cannot call lake: it has no endpoints right now",
    });
  });

  it("counts calls in flight until they end, and streams until the stream does", async () => {
    const gate = Promise.withResolvers<typeof succeeds>();
    const { run, calls, layer } = setUp(
      { resolver: staticResolver({ lake: [a] }) },
      () => gate.promise,
      streams,
      () => {
        throw new ScriptedError("boom");
      },
    );
    const inFlight = (): number | undefined => layer.endpoints()[0]?.inFlight;
    const running = run();
    await settle();
    assert.equal(inFlight(), 1);
    await run();
    assert.equal(inFlight(), 2);
    await assert.rejects(run());
    assert.equal(inFlight(), 2);
    gate.resolve(succeeds);
    await running;
    assert.equal(inFlight(), 1);
    calls[1]?.end(ok);
    assert.equal(inFlight(), 0);
  });

  it("takes the time to the first response of a stream for its latency, not how long it lasts", async () => {
    const holder: { clock?: VirtualClock } = {};
    const { run, calls, clock, layer } = setUp({ resolver: staticResolver({ lake: [a] }) }, async () => {
      await holder.clock?.sleep(30);
      return streams;
    });
    holder.clock = clock;
    await clock.run(run());
    await clock.advance(60_000);
    calls[0]?.end(ok);
    assert.equal(layer.endpoints()[0]?.latencyMs, 30);
  });

  it("sends fewer calls to an endpoint that is slow", async () => {
    const holder: { clock?: VirtualClock } = {};
    const { run, calls, clock } = setUp(
      { resolver: staticResolver({ lake: [a, b, c] }) },
      async (call: Call) => {
        await holder.clock?.sleep(call.endpoint?.origin === a ? 500 : 10);
        return succeeds;
      },
    );
    holder.clock = clock;
    for (let turn = 0; turn < 100; turn++) await clock.run(run());
    const slow = calls.filter((call) => call.endpoint?.origin === a).length;
    assert.ok(slow >= 1 && slow <= 3, `${slow} of 100`);
  });
});

describe("balanced() and retries", () => {
  it("goes elsewhere with each attempt while there is an elsewhere", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const clock = new VirtualClock();
      const resolver = staticResolver({ lake: [a, b, c] });
      const layer = compose(
        retry({ clock, random: () => 0 }),
        balanced({ resolver, clock, random: seededRandom(seed) }),
      );
      const { run, calls } = scriptedService(layer, new ScriptedError("down"));
      await assert.rejects(clock.run(run()));
      assert.equal(new Set(calls.map((call) => call.endpoint?.origin)).size, 3);
    }
  });

  it("does not lose a call when one of two endpoints is dead", async () => {
    const clock = new VirtualClock();
    const layer = compose(
      retry({ clock }),
      balanced({
        resolver: staticResolver({ lake: [a, b] }),
        clock,
        random: seededRandom(3),
      }),
    );
    const { run } = scriptedService(layer, (call) => {
      if (call.endpoint?.origin === a) throw new ScriptedError("refused");
      return succeeds;
    });
    for (let turn = 0; turn < 200; turn++) assert.equal(await clock.run(run()), succeeds);
  });
});

describe("balanced() and faults that last", () => {
  const lasting = new ScriptedError(
    "its certificate",
    outcome("retryable", "transport_tls", { lasting: true }),
  );

  for (const origins of [[a], [a, b], [a, b, c]]) {
    it(`tries each of ${origins.length} endpoints once, and none again`, async () => {
      for (let seed = 0; seed < 20; seed++) {
        const clock = new VirtualClock();
        const resolver = staticResolver({ lake: origins });
        const layer = compose(
          retry({ clock, maxAttempts: 5, random: () => 0 }),
          balanced({ resolver, clock, random: seededRandom(seed) }),
        );
        const { run, calls } = scriptedService(layer, lasting);
        await assert.rejects(clock.run(run()), lasting);
        const called = calls.map((call) => call.endpoint?.origin);
        assert.deepEqual([...called].sort(), origins);
      }
    });
  }

  it("does not wait for them to pass where calls wait for an endpoint to be ready", async () => {
    const own = new ScriptedError("our own", outcome("failure", "transport_tls", { neverStarted: true }));
    const never = new ScriptedError("never", {
      ...outcome("retryable", "transport_tls", { neverStarted: true, lasting: true }),
    });
    for (const [error, attempts] of [
      [own, 1],
      [never, 2],
    ] as const) {
      const clock = new VirtualClock();
      const layer = compose(
        retry({ clock, waitForReady: true, random: () => 0 }),
        balanced({ resolver: staticResolver({ lake: [a, b] }), clock }),
      );
      const { run, calls } = scriptedService(layer, error);
      await assert.rejects(clock.run(run()), error);
      assert.equal(calls.length, attempts);
    }
  });

  it("repeats at the same endpoint what may pass, whatever failed elsewhere", async () => {
    const clock = new VirtualClock();
    const layer = compose(
      retry({ clock, maxAttempts: 4, random: () => 0 }),
      balanced({ resolver: staticResolver({ lake: [a] }), clock }),
    );
    const { run, calls } = scriptedService(layer, new ScriptedError("down"), lasting);
    await assert.rejects(clock.run(run()), lasting);
    assert.equal(calls.length, 2);
  });
});

describe("balanced() and changes of the resolution", () => {
  it("uses an endpoint that appears and leaves one that disappears", async () => {
    const resolver = changing(a);
    const { run, calls, layer } = setUp({ resolver }, succeeds);
    await run();
    resolver.set(b, c);
    for (let turn = 0; turn < 20; turn++) await run();
    const origins = calls.map((call) => call.endpoint?.origin);
    assert.equal(origins[0], a);
    assert.deepEqual(new Set(origins.slice(1)), new Set([b, c]));
    assert.deepEqual(
      layer.endpoints().map(({ origin }) => origin),
      [b, c],
    );
  });

  it("keeps what it knows of those that stay", async () => {
    const resolver = changing(a);
    const { run, calls, layer } = setUp(
      { resolver, breaker: { minCalls: 1 } },
      streams,
      new ScriptedError("down"),
    );
    await run();
    await assert.rejects(run());
    resolver.set(b, a);
    await assert.rejects(run(), /down/);
    const kept = layer.endpoints().find(({ origin }) => origin === a);
    assert.deepEqual([kept?.inFlight, kept?.breakerState], [1, "open"]);
    calls[0]?.end(ok);
    assert.equal(layer.endpoints().find(({ origin }) => origin === a)?.inFlight, 0);
  });

  it("lets calls to an endpoint that is gone end undisturbed", async () => {
    const resolver = changing(a);
    const { run, calls, layer } = setUp({ resolver }, streams, succeeds);
    await run();
    resolver.set(b);
    await run();
    calls[0]?.end(ok);
    assert.deepEqual(
      layer.endpoints().map(({ origin, inFlight }) => [origin, inFlight]),
      [[b, 0]],
    );
    resolver.forget();
    await assert.rejects(run(), (error) => isMeshError(error, "ERR_SERVICE_UNKNOWN"));
    assert.deepEqual(layer.endpoints(), []);
    resolver.set(a);
    assert.equal(await run(), succeeds);
  });
});

describe("balanced() options", () => {
  it("takes another balancer, one for each service", async () => {
    const made: string[] = [];
    const { run, calls } = setUp(
      {
        resolver: staticResolver({ lake: [a, b], stream: [a, b] }),
        balancer: (service) => {
          made.push(service);
          return { pick: (endpoints) => endpoints.at(-1), observe: () => {} };
        },
      },
      succeeds,
    );
    await run();
    await run();
    await run(newCall({ service: "stream" }));
    assert.deepEqual(made, ["lake", "stream"]);
    assert.deepEqual(
      calls.map((call) => call.endpoint?.origin),
      [b, b, b],
    );
  });

  it("refuses what is wrong when it is made, not with the first call", () => {
    const resolver = staticResolver({});
    assert.throws(() => balanced({} as never), { name: "TypeError", message: /resolver is no Resolver/ });
    assert.throws(() => balanced(undefined as never), {
      name: "TypeError",
      message: /options are undefined/,
    });
    assert.throws(() => balanced({ resolver, breaker: { openMs: -1 } }), {
      name: "RangeError",
      message: /openMs is -1/,
    });
    assert.throws(() => balanced({ resolver, balancer: "p2c" as never }), {
      name: "TypeError",
      message: /"p2c"/,
    });
  });
});
