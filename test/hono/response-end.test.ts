import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";
import { feed } from "./feed.ts";
import { serverFixture } from "./fixture.ts";

describe("a response that another server is still sending", () => {
  it("is one call until its body has been read, although its type is that of a whole one", async () => {
    const { app, pipeline, count } = serverFixture();
    const { body, push, end } = feed();
    app.get("/", () => {
      const response = new Response(body, { headers: { "content-type": "text/plain" } });
      Object.defineProperty(response, "url", { value: "https://elsewhere.test/" });
      // As those of `fetch` are: immutable.
      Object.defineProperty(response.headers, "set", {
        value() {
          throw new TypeError("immutable");
        },
      });
      return response;
    });
    const response = await app.request("/");
    assert.deepEqual([pipeline.inFlight, await count()], [1, 0]);
    const text = response.text();
    push("a");
    end();
    assert.equal(await text, "a");
    assert.deepEqual([pipeline.inFlight, await count({ outcome: "ok" })], [0, 1]);
  });
});

describe("a streamed response", () => {
  const type = { "content-type": "video/mp4" };

  it("goes on after a piece that is empty", async () => {
    const { app, count } = serverFixture();
    const { body, push, end } = feed();
    app.get("/", (c) => c.body(body, 200, type));
    for (const piece of ["a", "", "", "b"]) push(piece);
    end();
    assert.equal(await (await app.request("/")).text(), "ab");
    assert.equal(await count({ outcome: "ok" }), 1);
  });

  it("is complete once all of its declared length has been taken, although its reader does not look for the end", async () => {
    for (const [taken, outcome] of [
      [8, "ok"],
      [4, "cancelled"],
    ] as const) {
      const { app, count, pipeline, errors } = serverFixture();
      const { body, push, cancelled } = feed();
      app.get("/", (c) => c.body(body, 200, { ...type, "content-length": "8" }));
      const client = new AbortController();
      const response = await app.request(new Request("http://localhost/", { signal: client.signal }));
      const reader = response.body!.getReader();
      for (let bytes = 0; bytes < taken; bytes += 4) {
        push("1234");
        await reader.read();
      }
      client.abort();
      await reader.cancel().catch(() => {});
      assert.deepEqual([await count({ outcome }), pipeline.inFlight], [1, 0], outcome);
      assert.deepEqual([cancelled.length, errors], [1, []]);
    }
  });

  it("whose pieces are large is alive while a slow reader takes them", async () => {
    const { app, clock, count, pipeline } = serverFixture({ idleTimeoutMs: 1_000 });
    const { body, push, end } = feed();
    app.get("/", (c) => c.body(body, 200, type));
    const response = await app.request("/");
    const reader = response.body!.getReader();
    push("x".repeat(1_000_000));
    end();
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      await clock.advance((900 * value.byteLength) / 65_536);
    }
    assert.deepEqual([bytes, pipeline.inFlight, await count({ outcome: "ok" })], [1_000_000, 0, 1]);
  });
});

describe("a response whose body is a stream, inside a time limit of the application's own,", () => {
  it("is broken off by it, whatever longer time a stream has", async () => {
    const clock = new VirtualClock();
    const { app, count } = serverFixture({
      clock,
      layers: { handler: [timeout({ timeoutMs: 500, clock })] },
    });
    const { body, cancelled } = feed();
    app.get("/", (c) => c.body(body, 200, { "content-type": "text/event-stream" }));
    const text = (await app.request("/")).text();
    text.catch(() => {});
    await clock.advance(600);
    assert.equal(await count({ outcome: "deadline_exceeded" }), 1);
    assert.ok(isMeshError(cancelled[0], "ERR_DEADLINE_EXCEEDED"));
    await assert.rejects(text);
  });
});

describe("a streamed response that a layer replaces", () => {
  /** A response that remembers what it was made of, as those of the mesh's listeners do. */
  function remembering(source: ReadableStream<Uint8Array> | null | undefined): Response {
    const init = { headers: { "content-type": "text/event-stream" } };
    return Object.assign(new Response(source ?? null, init), { source });
  }

  it("is cancelled, unless what is sent instead is made of it", async () => {
    for (const [kept, replace] of [
      [false, () => new Response("cached")],
      [true, (response: Response) => remembering(response.body)],
      [true, (response: Response) => remembering(response.body?.pipeThrough(new TransformStream()))],
      [true, (response: Response) => response.clone()],
    ] as const) {
      const { app, pipeline } = serverFixture({
        layers: {
          handler: [(next) => (call, request) => replace(next(call, request) as Response) as never],
        },
      });
      const { body, cancelled, push, end } = feed();
      app.get("/", () => remembering(body));
      const text = (await app.request("/")).text();
      await settle();
      assert.equal(cancelled.length, kept ? 0 : 1);
      if (kept) {
        push("kept");
        end();
      }
      assert.equal(await text, kept ? "kept" : "cached");
      assert.equal(pipeline.inFlight, 0);
    }
  });
});

describe("a response that is whole", () => {
  it("ends its call when it is handed out", async () => {
    const { app, pipeline, count } = serverFixture();
    app.get("/text", (c) => c.text("ok"));
    app.get("/json", (c) => c.json({ ok: true }));
    app.get("/html", (c) => c.html("<p>ok</p>"));
    app.get("/none", () => new Response(null, { status: 204 }));
    app.get("/elsewhere", (c) => c.redirect("/text"));
    app.get("/gone", (c) => c.notFound());
    const paths = ["/text", "/json", "/html", "/none", "/elsewhere", "/gone"];
    for (const path of paths) {
      const response = await app.request(path);
      assert.equal(pipeline.inFlight, 0, path);
      await response.text();
    }
    assert.equal(await count(), paths.length);
  });

  it("may still be read when its call has ended", async () => {
    const { app } = serverFixture();
    app.get("/", (c) => c.text("whole"));
    assert.equal(await (await app.request("/")).text(), "whole");
  });
});
