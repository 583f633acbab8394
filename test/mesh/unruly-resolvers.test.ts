import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { isMeshError } from "../../src/core/errors.ts";
import type { Resolution, Resolver } from "../../src/discovery/resolver.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { settle } from "../support/virtual-clock.ts";
import { echoLake } from "./echo-lake.ts";

const origin = "http://lake.test";

/** A mesh over a resolver of which each resolution is a variation of one that works. */
function meshOver(change: (name: string) => Partial<Resolution>, resolver: Partial<Resolver> = {}) {
  let resolved = 0;
  const made = lakeOf(echoLake(), {
    resolver: {
      resolve(name) {
        resolved++;
        const plain: Resolution = { current: [{ origin }], watch: () => () => {} };
        return Object.defineProperties(plain, Object.getOwnPropertyDescriptors(change(name)));
      },
      ...resolver,
    },
  });
  return { ...made, count: () => resolved };
}

describe("a resolution that fails to begin", () => {
  it("fails the call, and the next one asks anew", async () => {
    let broken = true;
    const { lake, clock, count } = meshOver(() => ({
      watch() {
        if (broken) throw new Error("the watch failed");
        return () => {};
      },
    }));
    assert.match((await errorOf(lake.get("x"))).message, /the watch failed/);
    broken = false;
    assert.equal(await clock.run(lake.get("x").text()), "ok");
    assert.equal(count(), 2);
  });

  it("because it takes its time fails the call, and its rejection ends no process", async () => {
    let caught = 0;
    const promise = {
      // biome-ignore lint/suspicious/noThenProperty: whoever waits for it, or lets go of it, calls this
      then(_: unknown, rejected: unknown) {
        if (typeof rejected === "function") caught++;
      },
    };
    const late = () => promise as never;
    for (const { lake } of [meshOver(() => ({ watch: late })), meshOver(() => ({}), { resolve: late })]) {
      assert.match((await errorOf(lake.get("x"))).message, /of the resolver returned a promise; return a/);
    }
    assert.equal(caught, 2);
  });

  it("with endpoints that are none fails the call, and the next one asks anew", async () => {
    let current = [null] as unknown as readonly Endpoint[];
    const { lake, clock } = meshOver(() => ({ current }));
    await errorOf(lake.get("x"));
    current = [{ origin }];
    assert.equal(await clock.run(lake.get("x").text()), "ok");
  });
});

describe("closing a mesh", () => {
  it("ends all calls that wait, and closes all resolutions and the resolver, whatever one of them throws", async () => {
    let closed = 0;
    const fail = (): never => {
      closed++;
      throw new Error("cannot be closed");
    };
    const { mesh } = meshOver(() => ({ current: undefined, watch: () => fail, close: fail }), {
      close: () => void closed++,
    });
    const waiting = ["a", "b"].map((name) => errorOf(mesh.rest(name).get("x")));
    await settle();
    await mesh.close();
    for (const error of await Promise.all(waiting)) assert.ok(isMeshError(error, "ERR_SHUTTING_DOWN"));
    assert.equal(closed, 5);
  });

  it("ends the rest of the mesh when its resolver cannot be closed, and says so", async () => {
    const { mesh, lake } = meshOver(() => ({}), {
      close: async () => {
        throw new Error("the registry is gone");
      },
    });
    assert.equal(await lake.get("x").text(), "ok");
    assert.match(await mesh.metrics.exposition(), /mesh_breaker_state\{/);
    await assert.rejects(mesh.close(), /the registry is gone/);
    assert.doesNotMatch(await mesh.metrics.exposition(), /mesh_breaker_state\{/);
  });

  it("refuses later calls for that reason, also to services that were never called", async () => {
    const { mesh, lake } = meshOver(() => ({}));
    await mesh.close();
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_SHUTTING_DOWN"));
    assert.ok(isMeshError(await errorOf(mesh.fetch("mesh://lake/x")), "ERR_SHUTTING_DOWN"));
  });
});
