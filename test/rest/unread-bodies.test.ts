import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { bodyOf, errorOf, lakeOf } from "./lake.ts";

const big = "x".repeat(1000);

describe("bodies of failed responses that nobody reads", () => {
  for (const status of [500, 503, 429]) {
    it(`hold no connection longer than a second after a ${status}`, async () => {
      const { mesh, clock } = lakeOf(
        (_, number) => (number <= 5 ? new Response(bodyOf([big], "never"), { status }) : new Response("ok")),
        { maxConnectionsPerEndpoint: 5, policies: { lake: { retry: false, breaker: false } } },
      );
      const held = await Promise.all(
        Array.from({ length: 5 }, () => mesh.fetch("mesh://lake/", { timeoutMs: 60_000 })),
      );
      const start = clock.now();
      const later = await clock.run(mesh.fetch("mesh://lake/", { timeoutMs: 5_000 }));
      assert.equal(await later.text(), "ok");
      assert.ok(clock.now() - start <= 1_000);
      const error = await clock.run(errorOf(held[0]!.text()));
      assert.ok(isMeshError(error, "ERR_CANCELLED"));
      assert.match(error.message, /failed response of http:\/\/lake\.test: it was given up/);
    });
  }

  it("hold no more than half of an endpoint's connections, so that no later call has to wait", async () => {
    const { mesh, clock } = lakeOf(() => new Response(bodyOf([big], "never"), { status: 500 }), {
      maxConnectionsPerEndpoint: 4,
      policies: { lake: { retry: false, breaker: false } },
    });
    const start = clock.now();
    for (let turn = 0; turn < 20; turn++) {
      const { status } = await mesh.fetch("mesh://lake/", { timeoutMs: 60_000 });
      assert.equal(status, 500);
    }
    assert.equal(clock.now(), start);
  });

  it("keep the deadline of their call while somebody reads them", async () => {
    const { mesh, clock } = lakeOf(() => new Response(bodyOf([big], "never"), { status: 500 }), {
      policies: { lake: { retry: false } },
    });
    const start = clock.now();
    const response = await mesh.fetch("mesh://lake/", { timeoutMs: 3_000 });
    const reader = response.body!.getReader();
    await reader.read();
    const error = await clock.run(errorOf(reader.read()));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"));
    assert.ok(clock.now() - start <= 3_005);
    assert.equal(clock.pending, 0);
  });

  it("are read in peace by who begins in time, and leave no timer behind", async () => {
    const { mesh, clock } = lakeOf(() => new Response(bodyOf(["a", "b"]), { status: 503 }), {
      policies: { lake: { retry: false } },
    });
    const response = await mesh.fetch("mesh://lake/");
    await clock.advance(900);
    assert.equal(await response.text(), "ab");
    await clock.advance(60);
    assert.equal(clock.pending, 0);
  });
});
