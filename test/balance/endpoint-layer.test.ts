import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BalancedOptions,
  balanced,
  type EndpointBreakerChange,
} from "../../src/balance/endpoint-layer.ts";
import type { Call } from "../../src/core/call.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { isMeshError, MeshError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { compose } from "../../src/core/service.ts";
import type { Discovery } from "../../src/discovery/discovery.ts";
import { staticDiscovery } from "../../src/discovery/static-discovery.ts";
import { retry } from "../../src/policy/retry.ts";
import {
  newCall,
  ScriptedError,
  type Step,
  scripted,
  scriptedService,
  streams,
  succeeds,
} from "../policy/scenario.ts";
import { seededRandom } from "../support/random.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";

const a = "http://127.0.0.1:1";
const b = "http://127.0.0.1:2";
const c = "http://127.0.0.1:3";

/** A discovery that the test changes as it likes. */
function changing(...origins: string[]) {
  let endpoints: readonly Endpoint[] | undefined;
  const set = (...next: string[]): void => {
    endpoints = next.map((origin) => ({ origin }));
  };
  set(...origins);
  const discovery: Discovery = { endpoints: () => endpoints };
  return {
    discovery,
    set,
    forget: () => {
      endpoints = undefined;
    },
  };
}

function setUp(options: Partial<BalancedOptions>, ...steps: readonly Step[]) {
  const clock = new VirtualClock();
  const layer = balanced({
    discovery: staticDiscovery({ lake: [a, b] }),
    clock,
    random: seededRandom(1),
    classifier: scripted,
    ...options,
  });
  return { clock, layer, ...scriptedService(layer, ...steps) };
}

describe("balanced()", () => {
  it("sets the endpoint that the call goes to, and uses them all", async () => {
    const { run, calls } = setUp({}, succeeds);
    for (let turn = 0; turn < 20; turn++) await run();
    assert.deepEqual(new Set(calls.map((call) => call.endpoint?.origin)), new Set([a, b]));
  });

  it("refuses an unknown service, naming it and those it knows", async () => {
    const { run, calls } = setUp({}, succeeds);
    await assert.rejects(run(newCall({ service: "laek" })), {
      code: "ERR_SERVICE_UNKNOWN",
      message: "Cannot call laek: discovery knows no service of that name; it knows lake",
    });
    const bare = setUp({ discovery: staticDiscovery({}) }, succeeds);
    await assert.rejects(bare.run(), { message: /knows no service of that name; it knows none$/ });
    const silent = setUp({ discovery: { endpoints: () => undefined } }, succeeds);
    await assert.rejects(silent.run(), {
      message: "Cannot call lake: discovery knows no service of that name",
    });
    assert.equal(calls.length, 0);
  });

  it("refuses a service that runs nowhere right now", async () => {
    const { run } = setUp({ discovery: changing().discovery }, succeeds);
    await assert.rejects(run(), {
      code: "ERR_NO_ENDPOINTS",
      message: "Cannot call lake: it has no endpoints right now",
    });
  });

  it("counts calls in flight until they end, and streams until the stream does", async () => {
    const gate = Promise.withResolvers<typeof succeeds>();
    const { run, calls, layer } = setUp(
      { discovery: staticDiscovery({ lake: [a] }) },
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

  it("takes the time to the first answer of a stream for its latency, not how long it lasts", async () => {
    const holder: { clock?: VirtualClock } = {};
    const { run, calls, clock, layer } = setUp({ discovery: staticDiscovery({ lake: [a] }) }, async () => {
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
      { discovery: staticDiscovery({ lake: [a, b, c] }) },
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
      const discovery = staticDiscovery({ lake: [a, b, c] });
      const layer = compose(
        retry({ clock, classifier: scripted, random: () => 0 }),
        balanced({ discovery, clock, classifier: scripted, random: seededRandom(seed) }),
      );
      const { run, calls } = scriptedService(layer, new ScriptedError("down"));
      await assert.rejects(clock.run(run()));
      assert.equal(new Set(calls.map((call) => call.endpoint?.origin)).size, 3);
    }
  });

  it("does not lose a call when one of two endpoints is dead", async () => {
    const clock = new VirtualClock();
    const layer = compose(
      retry({ clock, classifier: scripted }),
      balanced({
        discovery: staticDiscovery({ lake: [a, b] }),
        clock,
        classifier: scripted,
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

describe("balanced() and breakers", () => {
  const down: Step = (call) => {
    if (call.endpoint?.origin === a) throw new ScriptedError("down");
    return succeeds;
  };

  it("keeps a breaker for each endpoint and passes those by that are open", async () => {
    const changes: EndpointBreakerChange[] = [];
    const { run, calls, layer, clock } = setUp(
      { breaker: { minCalls: 1 }, onBreakerChange: (change) => changes.push(change) },
      down,
    );
    let errors = 0;
    for (let turn = 0; turn < 50; turn++) await run().catch(() => errors++);
    assert.equal(errors, 1);
    assert.equal(calls.filter((call) => call.endpoint?.origin === a).length, 1);
    assert.deepEqual(changes, [{ service: "lake", origin: a, to: "open", from: "closed" }]);
    assert.deepEqual(
      layer
        .endpoints()
        .map(({ service, origin, inFlight, breakerState }) => [service, origin, inFlight, breakerState]),
      [
        ["lake", a, 0, "open"],
        ["lake", b, 0, "closed"],
      ],
    );
    await clock.advance(5_000);
    assert.equal(layer.endpoints()[0]?.breakerState, "half-open");
  });

  it("refuses with ERR_BREAKER_OPEN when all of them are open, and says when the first opens up", async () => {
    const { run, calls, clock } = setUp({ breaker: { minCalls: 1, jitter: 0 } }, new ScriptedError("down"));
    await assert.rejects(run(), /down/);
    await clock.advance(1_000);
    await assert.rejects(run(), /down/);
    await assert.rejects(run(), {
      code: "ERR_BREAKER_OPEN",
      message: "Cannot call lake: the breakers of all 2 endpoints are open",
      retryAfterMs: 4_000,
    });
    assert.equal(calls.length, 2);
    const single = setUp(
      { breaker: { minCalls: 1 }, discovery: staticDiscovery({ lake: [a] }) },
      new ScriptedError("down"),
    );
    await assert.rejects(single.run(), /down/);
    await assert.rejects(single.run(), { message: "Cannot call lake: the breaker of its endpoint is open" });
  });

  it("recovers through probes", async () => {
    const { run, clock, layer } = setUp(
      { breaker: { minCalls: 1 }, discovery: staticDiscovery({ lake: [a] }) },
      new ScriptedError("down"),
      succeeds,
    );
    await assert.rejects(run());
    await clock.advance(5_000);
    for (let probe = 0; probe < 3; probe++) await run();
    assert.equal(layer.endpoints()[0]?.breakerState, "closed");
  });

  it("judges a stream by its end", async () => {
    const { run, calls, layer } = setUp(
      { breaker: { minCalls: 1 }, discovery: staticDiscovery({ lake: [a] }) },
      streams,
    );
    await run();
    assert.equal(layer.endpoints()[0]?.breakerState, "closed");
    calls[0]?.end(outcome("retryable", "unavailable"));
    assert.equal(layer.endpoints()[0]?.breakerState, "open");
  });

  it("does not blame an endpoint for a deadline that was nearly spent when the call came", async () => {
    const { run, clock, layer } = setUp(
      { breaker: { minCalls: 1 }, discovery: staticDiscovery({ lake: [a] }) },
      (call) => {
        call.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
        throw call.reason;
      },
    );
    await assert.rejects(run(newCall({ deadline: clock.now() + 5 })));
    assert.equal(layer.endpoints()[0]?.breakerState, "closed");
    await assert.rejects(run(newCall({ deadline: clock.now() + 500 })));
    assert.equal(layer.endpoints()[0]?.breakerState, "open");
  });

  it("does without them when told so", async () => {
    const { run, calls, layer } = setUp({ breaker: false }, new ScriptedError("down"));
    for (let turn = 0; turn < 50; turn++) await assert.rejects(run(), /down/);
    assert.equal(calls.length, 50);
    assert.equal(layer.endpoints()[0]?.breakerState, undefined);
  });
});

describe("balanced() and changes of discovery", () => {
  it("uses an endpoint that appears and leaves one that disappears", async () => {
    const { discovery, set } = changing(a);
    const { run, calls, layer } = setUp({ discovery }, succeeds);
    await run();
    set(b, c);
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
    const { discovery, set } = changing(a);
    const { run, calls, layer } = setUp(
      { discovery, breaker: { minCalls: 1 } },
      streams,
      new ScriptedError("down"),
    );
    await run();
    await assert.rejects(run());
    set(b, a);
    await assert.rejects(run(), /down/);
    const kept = layer.endpoints().find(({ origin }) => origin === a);
    assert.deepEqual([kept?.inFlight, kept?.breakerState], [1, "open"]);
    calls[0]?.end(ok);
    assert.equal(layer.endpoints().find(({ origin }) => origin === a)?.inFlight, 0);
  });

  it("lets calls to an endpoint that is gone end undisturbed", async () => {
    const { discovery, set, forget } = changing(a);
    const { run, calls, layer } = setUp({ discovery }, streams, succeeds);
    await run();
    set(b);
    await run();
    calls[0]?.end(ok);
    assert.deepEqual(
      layer.endpoints().map(({ origin, inFlight }) => [origin, inFlight]),
      [[b, 0]],
    );
    forget();
    await assert.rejects(run(), (error) => isMeshError(error, "ERR_SERVICE_UNKNOWN"));
    assert.deepEqual(layer.endpoints(), []);
    set(a);
    assert.equal(await run(), succeeds);
  });
});

describe("balanced() options", () => {
  it("takes another balancer, one for each service", async () => {
    const made: string[] = [];
    const { run, calls } = setUp(
      {
        discovery: staticDiscovery({ lake: [a, b], stream: [a, b] }),
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
    const discovery = staticDiscovery({});
    assert.throws(() => balanced({} as never), { name: "TypeError", message: /discovery is no Discovery/ });
    assert.throws(() => balanced(undefined as never), {
      name: "TypeError",
      message: /options are undefined/,
    });
    assert.throws(() => balanced({ discovery, breaker: { openMs: -1 } }), {
      name: "RangeError",
      message: /openMs is -1/,
    });
    assert.throws(() => balanced({ discovery, balancer: "p2c" as never }), {
      name: "TypeError",
      message: /"p2c"/,
    });
  });
});
