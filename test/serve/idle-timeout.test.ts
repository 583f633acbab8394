import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { createDispatcher } from "../../src/rpc/server/create-dispatcher.ts";
import { createRequestPipeline } from "../../src/serve/request-pipeline.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { serverFixture } from "../hono/fixture.ts";
import { connectStream, type Dialect, grpcWeb, rawCall, readRaw } from "../rpc/raw.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";

const second = 1_000;
const minute = 60_000;
const chunk = new Uint8Array(8);

/** A stream whose other end the test holds. */
function pipe(): TransformStream<Uint8Array, Uint8Array> & { push(): void; end(): void } {
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  return Object.assign(stream, {
    push: () => void writer.write(chunk).catch(() => {}),
    end: () => void writer.close().catch(() => {}),
  });
}

/** Reads a body to its end, and tells whether it was a good one. */
async function drained(response: Response): Promise<boolean> {
  try {
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

describe("a streamed response", () => {
  it("may take any time while it moves, and ends when it has been silent for 5 minutes", async () => {
    const { app, clock, count, pipeline } = serverFixture();
    const { readable, push } = pipe();
    app.get("/", (c) => c.body(readable, 200, { "content-type": "text/event-stream" }));
    const good = drained(await app.request("/"));
    for (let at = 0; at < 20; at++) {
      push();
      await clock.advance(4 * minute);
    }
    assert.deepEqual([pipeline.inFlight, await count()], [1, 0]);
    await clock.advance(2.3 * minute);
    assert.deepEqual([pipeline.inFlight, await count({ outcome: "deadline_exceeded" })], [0, 1]);
    assert.equal(await good, false);
    await clock.advance(minute);
    assert.equal(clock.pending, 0);
  });

  it("may be silent for as long as idleTimeoutMs says, no shorter and at most a quarter longer", async () => {
    for (const idleTimeoutMs of [10 * second, Infinity]) {
      const { app, clock, pipeline } = serverFixture({ idleTimeoutMs });
      const { readable, end } = pipe();
      app.get("/", (c) => c.body(readable, 200, { "content-type": "text/event-stream" }));
      const good = drained(await app.request("/"));
      await clock.advance(9.9 * second);
      assert.equal(pipeline.inFlight, 1);
      await clock.advance(2.7 * second);
      assert.equal(pipeline.inFlight, idleTimeoutMs === Infinity ? 1 : 0);
      end();
      assert.equal(await good, idleTimeoutMs === Infinity);
    }
  });

  it("says which option ended it", async () => {
    const { app, clock } = serverFixture({ idleTimeoutMs: second });
    const { readable } = pipe();
    const told: unknown[] = [];
    app.get("/feed", (c) => {
      c.get("call").onCancel((reason) => told.push(reason));
      return c.body(readable, 200, { "content-type": "text/event-stream" });
    });
    const good = drained(await app.request("/feed"));
    await clock.advance(2 * second);
    assert.equal(await good, false);
    assert.ok(isMeshError(told[0], "ERR_DEADLINE_EXCEEDED"));
    assert.match(String(told[0]), /GET \/feed: nothing of it has moved for 1000 ms \(idleTimeoutMs/);
  });
});

describe("a streamed request body", () => {
  const upload = (body: ReadableStream<Uint8Array>): RequestInit => ({
    method: "POST",
    body,
    ...{ duplex: "half" },
  });

  it("may take longer than the default time for a request, while it arrives", async () => {
    const { app, clock } = serverFixture();
    const { readable, push, end } = pipe();
    app.post("/", async (c) => {
      let bytes = 0;
      for await (const piece of c.req.raw.body ?? []) bytes += piece.byteLength;
      return c.text(String(bytes));
    });
    const response = app.request("/", upload(readable));
    for (let at = 0; at < 8; at++) {
      push();
      await clock.advance(20 * second);
    }
    end();
    assert.equal(await (await response).text(), "64");
  });

  it("ends its call when nothing of it arrives any more", async () => {
    const { app, clock, pipeline } = serverFixture({ idleTimeoutMs: minute });
    const { readable, push } = pipe();
    app.post("/", async (c) => c.text(await new Response(c.req.raw.body).text()));
    const response = app.request("/", upload(readable));
    push();
    await clock.advance(35 * second);
    assert.equal(pipeline.inFlight, 1);
    await clock.advance(75 * second);
    assert.equal((await response).status, 504);
    assert.equal(pipeline.inFlight, 0);
  });

  it("has the time for a request, and no more, where the handler collects it, or does not look at it", async () => {
    const { app, clock, pipeline } = serverFixture();
    app.post("/json", async (c) => c.json(await c.req.json()));
    app.post("/bytes", async (c) => c.json((await c.req.arrayBuffer()).byteLength));
    app.post("/hanging", () => new Promise<Response>(() => {}));
    for (const path of ["/json", "/bytes", "/hanging"]) {
      const { readable, push } = pipe();
      const response = app.request(path, upload(readable));
      for (let at = 0; at < 4; at++) {
        push();
        await clock.advance(8 * second);
      }
      assert.equal(pipeline.inFlight, 0, path);
      assert.equal((await response).status, 504, path);
    }
  });

  it("may be cloned before it is looked at", async () => {
    const { app } = serverFixture();
    app.post("/", async (c) => {
      const { raw } = c.req;
      const text = raw.clone().text();
      return c.json([await new Response(raw.body).text(), await text]);
    });
    const response = await app.request("/", upload(new Response("whole").body!));
    assert.deepEqual(await response.json(), ["whole", "whole"]);
  });

  it("that has arrived leaves the handler the time for a request, and no more", async () => {
    const { app, clock } = serverFixture();
    const { readable, push, end } = pipe();
    app.post("/", async (c) => {
      await c.req.text();
      return new Promise<Response>(() => {});
    });
    const response = app.request("/", upload(readable));
    push();
    end();
    await clock.advance(31 * second);
    assert.equal((await response).status, 504);
  });

  it("has no longer than a limit that was set", async () => {
    const { app, clock } = serverFixture({ timeoutMs: 30 * second });
    const { readable } = pipe();
    app.post("/", async (c) => c.text(await c.req.text()));
    const response = app.request("/", upload(readable));
    await clock.advance(31 * second);
    assert.equal((await response).status, 504);
  });
});

for (const dialect of [grpcWeb, connectStream] satisfies Dialect[]) {
  describe(`a streaming RPC by ${dialect.name}`, () => {
    it("may take any time while messages come, and ends when it has been silent for too long", async () => {
      const clock = new VirtualClock();
      const pipeline = createRequestPipeline({
        service: "echo",
        clock,
        server: { rateLimit: false, idleTimeoutMs: minute },
      });
      const asked: (() => void)[] = [];
      const { find } = createDispatcher({
        pipeline,
        clock,
        routes: (router) =>
          router.service(EchoService, {
            async *expand() {
              for (;;) {
                await new Promise<void>((resolve) => asked.push(resolve));
                yield { text: "tick" };
              }
            },
          }),
      });
      const end = rawCall({ find } as never, { dialect, method: "Expand" }).then((response) =>
        readRaw(dialect, response),
      );
      for (let at = 0; at < 10; at++) {
        await settle();
        asked.pop()?.();
        await clock.advance(50 * second);
      }
      assert.equal(pipeline.inFlight, 1);
      await clock.advance(80 * second);
      assert.equal(pipeline.inFlight, 0);
      assert.equal((await end).code, "deadline_exceeded");
    });
  });
}
