import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BalancedOptions, balanced } from "../../src/balance/endpoint-layer.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { type AnyLayer, protect } from "../../src/core/service.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { createBreaker } from "../../src/policy/breaker.ts";
import { bulkhead } from "../../src/policy/bulkhead.ts";
import { circuitBreaker } from "../../src/policy/circuit-breaker.ts";
import { rateLimit } from "../../src/policy/rate-limiter.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";

/** Calls again for as long as it is refused and the timer has not fired; true when it has. */
async function loop(call: () => Promise<unknown>): Promise<boolean> {
  let fired = false;
  const timer = setTimeout(() => {
    fired = true;
  }, 0);
  for (let turn = 0; !fired && turn < 100_000; turn++) {
    await call().then(
      () => assert.fail("expected a refusal"),
      (error) => assert.ok(isMeshError(error)),
    );
  }
  clearTimeout(timer);
  return fired;
}

function openBreaker() {
  const breaker = createBreaker();
  breaker.restore({ ...breaker.snapshot(), state: "open", openForMs: 60_000, openings: 1 });
  return breaker;
}

function refusing(layer: AnyLayer, run: () => Promise<unknown> = () => Promise.resolve()) {
  const call = protect(layer, run, { service: "lake", operation: "x" });
  return (): Promise<unknown> => call(undefined);
}

function toNobody(options: Partial<BalancedOptions>) {
  return refusing(balanced({ resolver: staticResolver({}), ...options }));
}

const cases: [string, () => () => Promise<unknown>][] = [
  ["an open breaker", () => refusing(circuitBreaker({ breaker: openBreaker() }))],
  [
    "a full bulkhead",
    () => {
      const call = refusing(bulkhead({ maxConcurrent: 1, maxQueued: 0 }), () => new Promise(() => {}));
      void call();
      return call;
    },
  ],
  [
    "a rate limit",
    () => {
      const call = refusing(rateLimit({ burst: 1, perMinute: 1 }));
      void call();
      return call;
    },
  ],
  ["a resolver that does not know the service", () => toNobody({})],
  ["a service without endpoints", () => toNobody({ resolver: new ChangingResolver().set() })],
  [
    "a client that is closed",
    () => {
      const mesh = createMesh({
        service: "gateway",
        resolver: staticResolver({ lake: ["http://lake.test"] }),
        runtime: createWebRuntime({ fetch: () => new Response("ok") }),
      });
      const lake = mesh.rest("lake");
      void mesh.close();
      return () => lake.get("x").text();
    },
  ],
  [
    "the breakers of all endpoints",
    () => {
      const mesh = createMesh({
        service: "gateway",
        resolver: staticResolver({ lake: ["http://lake.test"] }),
        runtime: createWebRuntime({ fetch: () => new Response("no", { status: 500 }) }),
        policies: { lake: { retry: false, breaker: { minCalls: 1, openMs: 60_000 } } },
      });
      return () => mesh.rest("lake").get("x").text();
    },
  ],
];

describe("a loop that catches refusals and calls again", () => {
  for (const [name, make] of cases) {
    it(`starves no timer: ${name}`, async () => {
      assert.equal(await loop(make()), true);
    });
  }

  it("starves no timer: a call that is cancelled already", async () => {
    let fired = false;
    const timer = setTimeout(() => {
      fired = true;
    }, 0);
    const call = protect(timeout(), () => Promise.resolve());
    const signal = AbortSignal.abort(new Error("enough"));
    for (let turn = 0; !fired && turn < 100_000; turn++) {
      await call(undefined, { signal }).catch(() => {});
    }
    clearTimeout(timer);
    assert.equal(fired, true);
  });
});
