import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bodyLimit } from "../../src/hono/body-limit.ts";
import { problemOf, serverFixture } from "./fixture.ts";

/** A body whose length nobody says, in chunks of 4 bytes; `pulled` counts those that were asked for. */
function streamOf(chunks: number): {
  readonly body: ReadableStream<Uint8Array>;
  pulled: number;
  cancelled: boolean;
} {
  const source = {
    pulled: 0,
    cancelled: false,
    body: new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (source.pulled++ >= chunks) controller.close();
          else controller.enqueue(new TextEncoder().encode("4444"));
        },
        cancel() {
          source.cancelled = true;
        },
      },
      { highWaterMark: 0 },
    ),
  };
  return source;
}

function post(body: BodyInit, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", body, headers, duplex: "half" } as RequestInit;
}

describe("the limit of request bodies", () => {
  it("refuses a Content-Length above it before the handler runs", async () => {
    const { app, count } = serverFixture({}, { bodyLimitBytes: 10 });
    let ran = false;
    app.post("/", () => {
      ran = true;
      return new Response("ok");
    });
    const problem = await problemOf(await app.request("/", post("x".repeat(11), { "content-length": "11" })));
    assert.deepEqual([problem.status, problem.code], [413, "ERR_BODY_TOO_LARGE"]);
    assert.equal(problem.detail, "The request body is larger than 10 bytes");
    assert.equal(ran, false);
    assert.equal((await app.request("/", post("x".repeat(10), { "content-length": "10" }))).status, 200);
    assert.equal(await count({ outcome: "body_too_large" }), 1);
  });

  it("refuses a Content-Length that is no number", async () => {
    const { app } = serverFixture({}, { bodyLimitBytes: 10 });
    app.post("/", (c) => c.text("ok"));
    assert.equal((await app.request("/", post("x", { "content-length": "many" }))).status, 413);
  });

  it("stops a body without Content-Length as soon as it is too large", async () => {
    const { app, count } = serverFixture({}, { bodyLimitBytes: 10 });
    app.post("/", async (c) => c.text(await c.req.text()));
    const source = streamOf(1_000);
    const problem = await problemOf(await app.request("/", post(source.body)));
    assert.deepEqual([problem.status, problem.code], [413, "ERR_BODY_TOO_LARGE"]);
    assert.ok(source.pulled < 10, `${source.pulled} chunks were read`);
    assert.equal(source.cancelled, true);
    assert.equal(await count({ outcome: "body_too_large" }), 1);
  });

  it("lets a body without Content-Length through that is small enough, whole", async () => {
    const { app } = serverFixture({}, { bodyLimitBytes: 12 });
    app.post("/", async (c) => c.text(`${c.req.header("x-kept")} ${await c.req.text()}`));
    const response = await app.request("/", post(streamOf(3).body, { "x-kept": "yes" }));
    assert.deepEqual([response.status, await response.text()], [200, "yes 444444444444"]);
  });

  it("responds with 413 whatever the handler makes of the failing body", async () => {
    const { app } = serverFixture({}, { bodyLimitBytes: 10 });
    app.post("/", async (c) => {
      try {
        return c.json(await c.req.json());
      } catch {
        throw new Error("cannot read");
      }
    });
    assert.equal((await app.request("/", post(streamOf(10).body))).status, 413);
  });

  it("is 1 MiB by default", async () => {
    const { app } = serverFixture();
    app.post("/", (c) => c.text("ok"));
    assert.equal((await app.request("/", post("x", { "content-length": "1048576" }))).status, 200);
    assert.equal((await app.request("/", post("x", { "content-length": "1048577" }))).status, 413);
  });

  it("is raised, lowered or lifted by a route, with and without other middleware", async () => {
    const { app } = serverFixture({}, { bodyLimitBytes: 10 });
    app.post("/more", bodyLimit(20), async (c) => c.text(await c.req.text()));
    app.post("/less", bodyLimit(4), async (c) => c.text(await c.req.text()));
    app.use("/lifted/*", (_, next) => next());
    app.post("/lifted/*", bodyLimit(Infinity), async (c) => c.text(await c.req.text()));
    assert.equal((await app.request("/more", post(streamOf(5).body))).status, 200);
    assert.equal((await app.request("/more", post(streamOf(6).body))).status, 413);
    assert.equal((await app.request("/less", post(streamOf(1).body))).status, 200);
    assert.equal((await app.request("/less", post(streamOf(2).body))).status, 413);
    assert.equal((await (await app.request("/lifted/x", post(streamOf(1_000).body))).text()).length, 4_000);
  });

  it("holds where a whole group of routes has its own", async () => {
    const { app } = serverFixture({}, { bodyLimitBytes: 10 });
    app.use("/uploads/*", bodyLimit(20));
    app.post("/uploads/a", async (c) => c.text(await c.req.text()));
    assert.equal((await app.request("/uploads/a", post(streamOf(5).body))).status, 200);
    assert.equal((await app.request("/uploads/a", post(streamOf(6).body))).status, 413);
  });

  it("does not touch requests without a body", async () => {
    const { app } = serverFixture({}, { bodyLimitBytes: 0 });
    app.delete("/", (c) => c.text("ok"));
    app.get("/", (c) => c.text("ok"));
    assert.equal((await app.request("/", { method: "DELETE" })).status, 200);
    assert.equal((await app.request("/")).status, 200);
  });

  it("refuses to be made of what is no number of bytes", () => {
    assert.throws(() => bodyLimit(-1), RangeError);
    assert.throws(() => bodyLimit("1 MB" as never), TypeError);
    assert.throws(() => serverFixture({}, { bodyLimitBytes: Number.NaN }), RangeError);
  });
});
