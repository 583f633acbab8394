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
