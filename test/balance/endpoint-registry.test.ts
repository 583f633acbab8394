import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EndpointRegistry, type EndpointTransports } from "../../src/balance/endpoint-registry.ts";
import { MeshError } from "../../src/core/errors.ts";
import type { ServerIdentity } from "../../src/core/identity.ts";
import type { Resolver } from "../../src/discovery/resolver.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { a, b, c } from "./balanced-scenario.ts";

/** A registry of two services, whose endpoints the test sets, over transports that say what became of them. */
function registryOf() {
  const clock = new VirtualClock();
  const [lake, stream] = [new ChangingResolver("lake"), new ChangingResolver("stream")];
  const resolver: Resolver = { resolve: (name) => lake.resolve(name) ?? stream.resolve(name) };
  const released: string[] = [];
  const busy = new Set<string>();
  const transports: EndpointTransports = {
    release: (origin) => {
      if (busy.has(origin)) return false;
      released.push(origin);
      return true;
    },
    states: () => [
      { endpoint: a, sessions: 1, streams: 2, waiting: 0 },
      { endpoint: a, sessions: 1, streams: 3, waiting: 4 },
    ],
  };
  const registry = new EndpointRegistry({ resolver, transports, clock });
  return { clock, lake, stream, registry, released, busy };
}

describe("the registry of endpoints", () => {
  it("has the connections released of an endpoint that left every service 10 s ago", async () => {
    const { clock, lake, stream, registry, released } = registryOf();
    lake.set(a, b);
    stream.set(b, c);
    registry.service("lake");
    registry.service("stream");
    lake.set(c);
    await clock.advance(9_999);
    assert.deepEqual(released, []);
    await clock.advance(1);
    // The other service still runs at b.
    assert.deepEqual(released, [a]);
    stream.set(c);
    await clock.advance(5_000);
    stream.set(b, c);
    await clock.advance(10_000);
    assert.deepEqual(released, [a]);
    stream.forget();
    await clock.advance(10_000);
    assert.deepEqual(released, [a, b]);
  });

  it("has the connections released to the oldest of 256 origins that no service lists", async () => {
    const { clock, lake, registry, released } = registryOf();
    lake.set("http://origin-1.test");
    registry.service("lake");
    for (let count = 0; count < 258; count++) registry.direct(`http://origin-${count}.test`);
    await clock.advance(9_999);
    assert.deepEqual(released, []);
    await clock.advance(1);
    assert.deepEqual(released, ["http://origin-0.test"]);
  });

  it("asks again for one that is still in use, and no more once it is closed", async () => {
    const { clock, lake, registry, released, busy } = registryOf();
    lake.set(a);
    registry.service("lake");
    busy.add(a);
    lake.set(b);
    await clock.advance(25_000);
    assert.deepEqual(released, []);
    busy.clear();
    await clock.advance(5_000);
    assert.deepEqual(released, [a]);
    lake.set(c);
    await registry.close();
    assert.equal(clock.pending, 0);
  });

  it("keeps one record of an endpoint, also when it is listed twice", () => {
    const { lake, registry } = registryOf();
    lake.set(a, a);
    const service = registry.service("lake");
    const [record] = service?.records ?? [];
    assert.equal(service?.records.length, 1);
    lake.set(b, a);
    assert.equal(service?.records[1], record);
  });

  it("adds up the connections to an origin", () => {
    const { lake, registry } = registryOf();
    lake.set(a, b);
    registry.service("lake");
    assert.deepEqual(
      registry.endpoints().map(({ origin, connections }) => [origin, connections]),
      [
        [a, { sessions: 2, streams: 5, waiting: 4 }],
        [b, undefined],
      ],
    );
  });

  it("knows nothing of a service that turns out not to be there while it is being resolved", () => {
    let [watching, closed] = [0, 0];
    const registry = new EndpointRegistry({
      resolver: {
        resolve: () => ({
          current: undefined,
          error: new MeshError("ERR_SERVICE_UNKNOWN", "no such name"),
          watch: (listener) => {
            watching++;
            listener(undefined);
            return () => watching--;
          },
          close: () => {
            closed++;
          },
        }),
      },
    });
    assert.equal(registry.service("lake"), undefined);
    assert.deepEqual([watching, closed, registry.endpoints()], [0, 1, []]);
  });

  it("does not take a service up again whose resolution goes on telling after its end", async () => {
    const { clock, lake, registry, released } = registryOf();
    const kept: (() => void)[] = [];
    const resolve = lake.resolve.bind(lake);
    lake.resolve = (name) => {
      const resolution = resolve(name);
      return (
        resolution &&
        Object.defineProperty(resolution, "watch", {
          value: (listener: () => void) => {
            kept.push(listener);
            return () => {};
          },
        })
      );
    };
    lake.set(a);
    registry.service("lake");
    lake.forget();
    for (const listener of kept) listener();
    lake.set(b);
    for (const listener of kept) listener();
    await clock.advance(10_000);
    assert.deepEqual([registry.endpoints(), released], [[], [a]]);
  });
});

describe("who the servers of a service must be", () => {
  it("is what the policy says, under what an endpoint says itself, and changes with the policy", () => {
    const lake = new ChangingResolver("lake");
    let tls: ServerIdentity | undefined = { serverName: "lake.test" };
    const registry = new EndpointRegistry({
      resolver: lake,
      policyOf: () => ({ tls }),
      clock: new VirtualClock(),
    });
    lake.set(
      { origin: a },
      { origin: b, tls: { serverName: "b.test" } },
      { origin: c, tls: { spiffeId: "spiffe://x.test/c" } },
    );
    const identities = (): unknown => registry.service("lake")?.records.map(({ endpoint }) => endpoint.tls);
    assert.deepEqual(identities(), [
      { serverName: "lake.test" },
      { serverName: "b.test" },
      { serverName: "lake.test", spiffeId: "spiffe://x.test/c" },
    ]);
    const [record] = registry.service("lake")?.records ?? [];
    tls = { spiffeId: "spiffe://x.test/lake" };
    registry.applyPolicies();
    assert.deepEqual(identities(), [
      { spiffeId: "spiffe://x.test/lake" },
      { serverName: "b.test", spiffeId: "spiffe://x.test/lake" },
      { spiffeId: "spiffe://x.test/c" },
    ]);
    tls = undefined;
    registry.applyPolicies();
    assert.deepEqual(identities(), [undefined, { serverName: "b.test" }, { spiffeId: "spiffe://x.test/c" }]);
    assert.equal(registry.service("lake")?.records[0], record, "the record stays");
  });
});
