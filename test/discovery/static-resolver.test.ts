import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSource, type Source } from "../../src/core/source.ts";
import {
  type StaticEndpoints,
  type StaticServices,
  staticResolver,
} from "../../src/discovery/static-resolver.ts";

describe("staticResolver()", () => {
  it("resolves to the endpoints, and to nothing for a service it does not know", () => {
    const resolver = staticResolver({
      lake: ["https://10.0.0.7:7101", { origin: "https://10.0.0.8:7101", weight: 2, zone: "b" }],
    });
    assert.deepEqual(resolver.resolve("lake")?.current, [
      { origin: "https://10.0.0.7:7101" },
      { origin: "https://10.0.0.8:7101", weight: 2, zone: "b" },
    ]);
    assert.equal(resolver.resolve("stream"), undefined);
    assert.equal(resolver.resolve("toString"), undefined);
    assert.deepEqual(resolver.services?.(), ["lake"]);
  });

  it("resolves to the same array each time, which nobody can change", () => {
    const resolver = staticResolver({ lake: ["http://127.0.0.1:1"] });
    assert.equal(resolver.resolve("lake")?.current, resolver.resolve("lake")?.current);
    assert.ok(Object.isFrozen(resolver.resolve("lake")?.current));
    assert.ok(Object.isFrozen(resolver.resolve("lake")?.current?.[0]));
  });

  it("writes origins in one way", () => {
    const resolver = staticResolver({ lake: ["HTTPS://Lake.Internal:443/", "http://[::1]:8080"] });
    assert.deepEqual(
      resolver.resolve("lake")?.current?.map(({ origin }) => origin),
      ["https://lake.internal", "http://[::1]:8080"],
    );
  });

  it("knows no service at all when none is listed", () => {
    assert.deepEqual(staticResolver({}).services?.(), []);
  });

  it("refuses what is wrong, naming service, value and remedy", () => {
    const wrong: readonly (readonly [unknown, string])[] = [
      [
        { lake: ["10.0.0.7:7101"] },
        'endpoint 1 of "lake" is "10.0.0.7:7101", which is no URL; pass scheme, host and port',
      ],
      [
        { lake: ["localhost:7101"] },
        'endpoint 1 of "lake" is "localhost:7101", which is neither http nor https; pass one that is',
      ],
      [
        { lake: ["grpc://lake:1"] },
        'endpoint 1 of "lake" is "grpc://lake:1", which is neither http nor https; pass one that is',
      ],
      [
        { lake: ["http://ok:1", "http://lake:1/api?x=1"] },
        'endpoint 2 of "lake" is "http://lake:1/api?x=1", which goes beyond scheme, host and port; pass "http://lake:1"',
      ],
      [{ lake: [""] }, 'endpoint 1 of "lake" is "", which is no URL; pass scheme, host and port'],
      [
        { lake: [7101] },
        'endpoint 1 of "lake" has no origin; pass a string such as "https://10.0.0.7:7101" or an object with one',
      ],
      [
        { lake: [null] },
        'endpoint 1 of "lake" has no origin; pass a string such as "https://10.0.0.7:7101" or an object with one',
      ],
      [{ lake: [] }, '"lake" has no endpoints; list at least one or leave it out'],
      [{ lake: "http://lake:1" }, 'the endpoints of "lake" are no array; put the origin in brackets'],
      [{ " ": ["http://lake:1"] }, "a service has an empty name; give it the name that callers use"],
      [
        { lake: ["http://lake:80", "http://LAKE/"] },
        '"lake" lists http://lake twice; list it once, with a weight if it shall get more',
      ],
      [
        { lake: [{ origin: "http://lake:1", weight: -1 }] },
        'endpoint 1 of "lake" has the weight -1; pass a number above 0 or leave it out',
      ],
      [
        { lake: [{ origin: "http://lake:1", weight: Number.NaN }] },
        'endpoint 1 of "lake" has the weight NaN; pass a number above 0 or leave it out',
      ],
      [undefined, 'its services are no object; pass { name: ["https://host:port"] }'],
      [["http://lake:1"], 'its services are no object; pass { name: ["https://host:port"] }'],
    ];
    for (const [services, message] of wrong) {
      assert.throws(() => staticResolver(services as StaticServices), {
        name: "TypeError",
        message: `Cannot make staticResolver(): ${message}`,
      });
    }
  });

  it("does not repeat a password in the message that refuses it", () => {
    assert.throws(
      () => staticResolver({ lake: ["https://user:hunter2@lake:1"] }),
      (error) =>
        error instanceof TypeError &&
        /\(lake:1\) holds a user name/.test(error.message) &&
        !/hunter2/.test(error.message),
    );
  });
});

describe("staticResolver() and lists that change", () => {
  const [a, b] = ["http://127.0.0.1:1", "http://127.0.0.1:2"];

  function changing() {
    const list = createSource<StaticEndpoints>([a]);
    const refused: string[] = [];
    const resolver = staticResolver(
      { lake: list },
      { onRefused: (error, service) => refused.push(`${service}: ${(error as Error).message}`) },
    );
    const seen: unknown[] = [];
    const resolution = resolver.resolve("lake");
    resolution?.watch((endpoints) => seen.push(endpoints?.map(({ origin }) => origin)));
    return { list, refused, resolver, resolution, seen };
  }

  it("tells of a new list, checked and brought into one form", () => {
    const { list, resolution, seen } = changing();
    list.set([`${a}/`, { origin: b, weight: 2 }]);
    assert.deepEqual(resolution?.current, [{ origin: a }, { origin: b, weight: 2 }]);
    assert.deepEqual(seen, [[a, b]]);
  });

  it("keeps the list that it has when a new one is no good, and says why", () => {
    const { list, refused, resolution, seen } = changing();
    list.set([a, "lake:1"]);
    assert.deepEqual(resolution?.current, [{ origin: a }]);
    assert.deepEqual(seen, []);
    assert.deepEqual(refused, [
      'lake: Cannot make staticResolver(): endpoint 2 of "lake" is "lake:1", which is neither http nor https; pass one that is',
    ]);
    list.set([b]);
    assert.deepEqual(resolution?.current, [{ origin: b }]);
  });

  it("takes an empty list for a service that runs nowhere right now", () => {
    const { list, resolution } = changing();
    list.set([]);
    assert.deepEqual(resolution?.current, []);
  });

  it("stops watching when it is closed, and leaves the sources open", () => {
    let [stopped, closed] = [0, 0];
    const list: Source<StaticEndpoints> = {
      current: [a],
      watch: () => () => stopped++,
      close: () => {
        closed++;
      },
    };
    void staticResolver({ lake: list }).close?.();
    assert.deepEqual([stopped, closed], [1, 0]);
  });

  it("refuses a first list that is no good, whatever it comes from", () => {
    assert.throws(() => staticResolver({ lake: createSource<StaticEndpoints>(["lake:1"]) }), TypeError);
    assert.throws(() => staticResolver({}, { onRefused: 1 as never }), /onRefused is 1; pass a function/);
  });
});
