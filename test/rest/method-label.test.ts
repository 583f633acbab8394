import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { methodLabel } from "../../src/rest/rest-request.ts";
import { lakeOf } from "./lake.ts";

describe("the operation of a call that has none", () => {
  it("is its method, or other for one that somebody made up", async () => {
    // Where no such request can be sent, the failures must not open a breaker.
    const { mesh } = lakeOf(() => new Response(null, { status: 204 }), {
      policies: { "*": { breaker: false } },
    });
    for (let index = 0; index < 100; index++) {
      // Some platforms send no such request; it is counted all the same.
      await mesh.fetch("mesh://lake/", { method: `M${index}` }).catch(() => {});
      await mesh
        .rest("lake")
        .request(`M${index}`, "/")
        .catch(() => {});
    }
    const text = await mesh.metrics.exposition();
    const operations = text.matchAll(/^mesh_client_requests_total\{.*operation="([^"]*)"/gm);
    assert.deepEqual(new Set([...operations].map(([, operation]) => operation)), new Set(["other"]));
    assert.deepEqual(["GET", "POST", "PURGE", "get", "constructor"].map(methodLabel), [
      "GET",
      "POST",
      "other",
      "other",
      "other",
    ]);
  });
});
