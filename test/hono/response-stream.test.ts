import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";
import { encoder, type Feed, feed } from "./feed.ts";
import { type Fixture, type FixtureOptions, serverFixture } from "./fixture.ts";

for (const way of ["fused", "behind a middleware", "by an asynchronous handler"] as const) {
  const streaming = (
    options: FixtureOptions = {},
  ): Fixture & Feed & { ask(init?: RequestInit): Promise<Response> } => {
    const made = serverFixture(options);
    const source = feed();
    if (way === "behind a middleware") made.app.use((_, next) => next());
    made.app.get("/events", (c) => {
      const response: Response = c.body(source.body, 200, { "content-type": "text/event-stream" });
      return way === "by an asynchronous handler" ? Promise.resolve(response) : response;
    });
    made.app.get("/plain", (c) => c.text("ok"));
    return {
      ...made,
      ...source,
      get pulls() {
        return source.pulls;
      },
      ask: async (init) => made.app.request("/events", init),
    };
  };

  describe(`a response whose body is a stream, ${way},`, () => {
    it("is one call until its body has been read, and as long", async () => {
      const { ask, pipeline, clock, count, metrics, push, end } = streaming();
      const response = await ask();
      assert.deepEqual([pipeline.inFlight, await count()], [1, 0]);
      const text = response.text();
      push("a");
      await clock.advance(2_000);
      push("b");
      assert.equal(pipeline.inFlight, 1);
      end();
      assert.equal(await text, "ab");
      assert.equal(pipeline.inFlight, 0);
      assert.equal(await count({ outcome: "ok", operation: "GET /events" }), 1);
      assert.equal(await metricValue(metrics, "mesh_server_request_duration_seconds_sum"), 2);
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      assert.ok(response.headers.has("x-request-id"));
    });

    it("holds its place until its body has ended", async () => {
      const { app, ask, push, end } = streaming({ maxConcurrent: 1 });
      const response = await ask();
      assert.equal((await app.request("/plain")).status, 503);
      push("a");
      end();
      await response.text();
      assert.equal((await app.request("/plain")).status, 200);
    });

    it("is read no faster than its reader asks", async () => {
      const source = streaming();
      const reader = (await source.ask()).body!.getReader();
      await settle();
      assert.equal(source.pulls, 0);
      for (const text of ["a", "b"]) {
        const read = reader.read();
        await settle();
        source.push(text);
        assert.deepEqual((await read).value, encoder.encode(text));
      }
      await settle();
      assert.equal(source.pulls, 2);
    });

    it("is not cut off by the time limit that holds by default", async () => {
      const { ask, clock, count, push, end } = streaming();
      const text = (await ask()).text();
      await clock.advance(240_000);
      push("late");
      end();
      assert.equal(await text, "late");
      assert.equal(await count({ outcome: "ok" }), 1);
      await clock.advance(100);
      assert.equal(clock.pending, 0);
    });

    for (const [what, options, headers] of [
      ["a time limit that was set", { timeoutMs: 5_000 }, {}],
      ["the time that its client grants", {}, { "mesh-timeout-ms": "5000" }],
    ] as const) {
      it(`is broken off by ${what}, and its source is told`, async () => {
        const { ask, clock, count, cancelled, errors, push, pipeline } = streaming(options);
        const text = (await ask({ headers })).text();
        push("a");
        await clock.advance(4_900);
        assert.equal(pipeline.inFlight, 1);
        const broken = assert.rejects(text, (error) => isMeshError(error, "ERR_DEADLINE_EXCEEDED"));
        await clock.advance(200);
        await broken;
        assert.ok(isMeshError(cancelled[0], "ERR_DEADLINE_EXCEEDED"));
        assert.deepEqual([cancelled.length, errors], [1, []]);
        assert.equal(await count({ outcome: "deadline_exceeded" }), 1);
        assert.equal(pipeline.inFlight, 0);
      });
    }

    it("ends at its deadline although nobody reads it", async () => {
      const { app, ask, clock, cancelled, pipeline } = streaming({ timeoutMs: 1_000, maxConcurrent: 1 });
      const response = await ask();
      await clock.advance(1_100);
      assert.deepEqual([pipeline.inFlight, cancelled.length], [0, 1]);
      assert.equal((await app.request("/plain")).status, 200);
      await assert.rejects(response.text());
    });

    it("is a failure when its source fails midway, and is told to the application", async () => {
      const { ask, count, errors, push, fail, pipeline } = streaming();
      const text = (await ask()).text();
      push("a");
      await settle();
      const error = new Error("the disk is gone");
      fail(error);
      await assert.rejects(text, (thrown) => thrown === error);
      assert.deepEqual(errors, [error]);
      assert.equal(await count({ outcome: "body_failed" }), 1);
      assert.equal(await count({ outcome: "ok" }), 0);
      assert.equal(pipeline.inFlight, 0);
    });

    it("is cancelled when its reader lets go", async () => {
      const { ask, count, cancelled, errors, pipeline } = streaming();
      const response = await ask();
      await response.body!.cancel("gone");
      assert.deepEqual([cancelled, errors], [["gone"], []]);
      assert.equal(await count({ outcome: "cancelled" }), 1);
      assert.equal(pipeline.inFlight, 0);
    });

    it("is cancelled when its client goes away", async () => {
      const { app, count, cancelled, pipeline } = streaming();
      const client = new AbortController();
      const response = await app.request(new Request("http://localhost/events", { signal: client.signal }));
      client.abort();
      assert.deepEqual([cancelled.length, pipeline.inFlight], [1, 0]);
      assert.equal(await count({ outcome: "cancelled" }), 1);
      await assert.rejects(response.text());
    });

    it("ends at once for HEAD, and its source is told", async () => {
      const { ask, count, cancelled, pipeline } = streaming();
      const response = await ask({ method: "HEAD" });
      assert.equal(await response.text(), "");
      await settle();
      assert.deepEqual([cancelled.length, pipeline.inFlight], [1, 0]);
      assert.equal(await count({ outcome: "ok" }), 1);
    });

    it("fails its call, and tells why once, when its pieces or its length are wrong", async () => {
      for (const [pieces, length, why] of [
        [["text"], undefined, /something else than Uint8Array/],
        [[encoder.encode("123"), encoder.encode("45678")], "5", /longer than its Content-Length/],
        [[encoder.encode("123")], "5", /shorter than its Content-Length/],
      ] as const) {
        const { app, count, errors, pipeline } = serverFixture();
        const source = new ReadableStream<Uint8Array>({
          start(controller) {
            for (const piece of pieces) controller.enqueue(piece as Uint8Array);
            controller.close();
          },
        });
        const headers = { "content-type": "video/mp4", ...(length && { "content-length": length }) };
        app.get("/", (c) => c.body(source, 200, headers));
        await assert.rejects((async () => (await app.request("/")).arrayBuffer())());
        assert.deepEqual([pipeline.inFlight, await count({ outcome: "body_failed" })], [0, 1]);
        assert.match(String(errors), why);
        assert.equal(errors.length, 1);
      }
    });

    it("is a 500 when somebody reads its body already", async () => {
      const { ask, count, errors, body } = streaming();
      body.getReader();
      assert.equal((await ask()).status, 500);
      assert.equal(errors.length, 1);
      assert.equal(await count({ outcome: "http_500" }), 1);
    });
  });
}
