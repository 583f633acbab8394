import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { unless } from "../../support/capability.ts";
import { closeAll, meshOver, serverOf } from "../listen/http-fixture.ts";
import { within } from "../listen/listener-fixture.ts";

describe("a pool of connections and failed responses that nobody reads", unless("listen"), () => {
  after(closeAll);

  for (const status of [500, 503, 429]) {
    it(`is not used up by bodies after a ${status}`, async () => {
      const origin = await serverOf((request, response) => {
        if (request.url === "/good") {
          response.end("good");
          return;
        }
        // More than anybody takes unasked, and no end to it.
        response.writeHead(status);
        response.write("x".repeat(1_000_000));
      });
      const policies = { lake: { retry: false, breaker: false } } as const;
      const mesh = meshOver([origin], { maxConnectionsPerEndpoint: 5, policies });
      const timeoutMs = 60_000;
      for (let turn = 0; turn < 12; turn++) {
        const response = await within(mesh.fetch("mesh://lake/bad", { timeoutMs }), `response ${turn + 1}`);
        assert.equal(response.status, status);
      }
      const good = await within(mesh.rest("lake").get("good", { timeoutMs }).text(), "the good response");
      assert.equal(good, "good");
    });
  }
});
