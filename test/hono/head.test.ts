import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serverFixture } from "./fixture.ts";

describe("the response to HEAD", () => {
  for (const middleware of [false, true]) {
    it(`cancels a body that will never be sent, ${middleware ? "behind a middleware" : "fused"}`, async () => {
      const { app, pipeline } = serverFixture();
      if (middleware) app.use((_, next) => next());
      let cancelled = 0;
      const open = (end: () => Promise<void>): ReadableStream =>
        new ReadableStream({
          cancel() {
            cancelled++;
            return end();
          },
        });
      const headers = { "x-seen": "yes" };
      app.get(
        "/plain",
        () =>
          new Response(
            open(() => Promise.resolve()),
            { headers },
          ),
      );
      app.get(
        "/late",
        async () =>
          new Response(
            open(() => Promise.resolve()),
            { headers },
          ),
      );
      app.get(
        "/fails",
        () =>
          new Response(
            open(() => Promise.reject(new Error("no"))),
            { headers },
          ),
      );
      app.get("/text", (c) => c.text("text", 200, headers));
      for (const path of ["/plain", "/late", "/fails", "/text"]) {
        const response = await app.request(path, { method: "HEAD" });
        assert.deepEqual(
          [response.status, response.headers.get("x-seen"), response.body],
          [200, "yes", null],
        );
      }
      assert.equal(cancelled, 3);
      assert.equal(pipeline.inFlight, 0);
      assert.equal(await (await app.request("/text")).text(), "text");
    });
  }
});
