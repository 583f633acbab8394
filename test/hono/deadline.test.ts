import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { problemOf, serverFixture } from "./fixture.ts";

const never = (): Promise<Response> => new Promise(() => {});

describe("the deadline of a request", () => {
  it("responds with 504 although the handler never does, and tells the work to stop", async () => {
    const { app, clock, count, pipeline } = serverFixture({ timeoutMs: 1_000 });
    let reason: unknown;
    app.get("/", (c) => {
      c.get("call").onCancel((why) => {
        reason = why;
      });
      return never();
    });
    const start = clock.now();
    const problem = await problemOf(await clock.run(Promise.resolve(app.request("/"))));
    assert.deepEqual([problem.status, problem.code], [504, "ERR_DEADLINE_EXCEEDED"]);
    const waited = clock.now() - start;
    assert.ok(waited >= 1_000 && waited <= 1_050, `${waited} ms`);
    assert.ok(isMeshError(reason, "ERR_DEADLINE_EXCEEDED"));
    assert.equal(await count({ outcome: "deadline_exceeded" }), 1);
    assert.equal(pipeline.inFlight, 0);
  });

  it("aborts the call's signal", async () => {
    const { app, clock } = serverFixture({ timeoutMs: 1_000 });
    let aborted: unknown;
    app.get("/", async (c) => {
      const { signal } = c.get("call");
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return c.text("unreachable");
    });
    app.get("/observed", (c) => {
      const { signal } = c.get("call");
      signal.addEventListener("abort", () => {
        aborted = signal.reason;
      });
      return never();
    });
    assert.equal((await clock.run(Promise.resolve(app.request("/")))).status, 504);
    await clock.run(Promise.resolve(app.request("/observed")));
    assert.ok(isMeshError(aborted, "ERR_DEADLINE_EXCEEDED"));
  });

  it("is what the caller has left, when that is less", async () => {
    const { app, clock } = serverFixture();
    app.get("/", never);
    const start = clock.now();
    const headers = { "mesh-timeout-ms": "200" };
    assert.equal((await clock.run(Promise.resolve(app.request("/", { headers })))).status, 504);
    assert.ok(clock.now() - start < 300);
  });

  it("is not what a header says that is no number of milliseconds", async () => {
    const { app, clock } = serverFixture();
    app.get("/", (c) => c.text(`${c.get("call").deadline - clock.now()}`));
    for (const timeout of ["-5", "1.5", "soon", "", "12345678901"]) {
      const response = await app.request("/", { headers: { "mesh-timeout-ms": timeout } });
      assert.equal(await response.text(), "30000", timeout);
    }
    assert.equal((await app.request("/", { headers: { "mesh-timeout-ms": "0" } })).status, 504);
  });

  it("is 30 s by default, and leaves nothing behind when it was not needed", async () => {
    const { app, clock } = serverFixture();
    app.get("/", async (c) => {
      await clock.sleep(29_000);
      return c.text("in time");
    });
    const response = await clock.run(Promise.resolve(app.request("/")));
    assert.equal(await response.text(), "in time");
    await clock.advance(1_000);
    assert.equal(clock.pending, 0);
  });

  it("discards the response of a handler that comes too late", async () => {
    const { app, clock, count } = serverFixture({ timeoutMs: 100 });
    let cancelled = false;
    app.get("/", async () => {
      await clock.sleep(5_000);
      return new Response(
        new ReadableStream({
          cancel() {
            cancelled = true;
          },
        }),
      );
    });
    assert.equal((await clock.run(Promise.resolve(app.request("/")))).status, 504);
    await clock.advance(5_000);
    assert.equal(cancelled, true);
    assert.equal(await count(), 1);
  });

  it("bounds the validation of a token too, and then runs no handler", async () => {
    let ran = false;
    const { app, clock, pipeline } = serverFixture({
      timeoutMs: 100,
      maxConcurrent: 1,
      auth: {
        validate: async () => {
          await clock.sleep(5_000);
          return { id: "ann", kind: "token", claims: {} };
        },
      },
    });
    app.get("/", (c) => {
      ran = true;
      return c.text("ok");
    });
    const headers = { authorization: "Bearer t" };
    assert.equal((await clock.run(Promise.resolve(app.request("/", { headers })))).status, 504);
    await clock.advance(5_000);
    assert.equal(ran, false);
    assert.equal(pipeline.inFlight, 0);
  });
});

describe("a client that goes away", () => {
  it("cancels the call, and is counted as such", async () => {
    const { app, count, errors } = serverFixture();
    const controller = new AbortController();
    const started = Promise.withResolvers<void>();
    app.get("/", async (c) => {
      const { signal } = c.get("call");
      started.resolve();
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(new Error("work stopped"))),
      );
      return c.text("unreachable");
    });
    const answer = app.request(new Request("http://localhost/", { signal: controller.signal }));
    await started.promise;
    controller.abort();
    assert.equal((await answer).status, 499);
    assert.equal(await count({ outcome: "cancelled" }), 1);
    assert.deepEqual(errors, []);
  });
});
