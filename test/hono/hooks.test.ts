import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError } from "../../src/core/errors.ts";
import { bodyLimit } from "../../src/hono/body-limit.ts";
import { validate } from "../../src/hono/validate.ts";
import { ProblemError } from "../../src/http/problem.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { settle } from "../support/virtual-clock.ts";
import { type Fixture, problemOf, serverFixture } from "./fixture.ts";

type Arguments = Parameters<typeof serverFixture>;

/** Fails in whatever way it is looked at. */
const hostile: unknown = new Proxy(new Error("hostile"), {
  get() {
    throw new Error("a getter");
  },
  getPrototypeOf() {
    throw new Error("a prototype");
  },
});

/** What may be thrown or rejected with. */
const reasons: Readonly<Record<string, unknown>> = {
  "an error": new Error("a hook"),
  nothing: undefined,
  null: null,
  "a text": "text",
  "an object without a prototype": Object.create(null),
  "a symbol": Symbol("reason"),
  "a proxy that throws": hostile,
};

/** Ways to fail with a reason, at once and later. */
const failures: Readonly<Record<string, (reason: unknown) => never>> = {
  throws: (reason) => {
    throw reason;
  },
  rejects: (reason) => Promise.reject(reason) as never,
  "rejects late": (reason) => settle().then(() => Promise.reject(reason)) as never,
  "responds with a thenable that rejects": (reason) =>
    // biome-ignore lint/suspicious/noThenProperty: a hook may return any promise
    ({ then: (_: unknown, reject: (reason: unknown) => void) => reject(reason) }) as never,
};

const deadlineMs = 1_000;

for (const way of ["fused", "behind a middleware"] as const) {
  const fixture = (...[pipeline, app]: Arguments): Fixture => {
    const made = serverFixture({ timeoutMs: deadlineMs, ...pipeline }, app);
    if (way === "behind a middleware") made.app.use((_, next) => next());
    return made;
  };

  /** Asks for a path; afterwards nothing may be left of the request. */
  async function ask(made: Fixture, path = "/", init: RequestInit = {}): Promise<Response> {
    const response = await made.clock.run(Promise.resolve(made.app.request(path, init)));
    // What comes after the deadline has somebody to go to as well.
    await made.clock.advance(2 * deadlineMs);
    assert.equal(made.pipeline.inFlight, 0, "the call has not ended");
    return response;
  }

  describe(`a hook of a server, ${way},`, () => {
    for (const [how, fail] of Object.entries(failures)) {
      it(`fails one request when a handler ${how}`, async () => {
        for (const [what, reason] of Object.entries(reasons)) {
          const made = fixture();
          made.app.get("/", () => fail(reason));
          assert.equal((await ask(made)).status, 500, what);
          assert.equal(await made.count({ outcome: "http_500" }), 1, what);
        }
      });

      it(`fails one request when a validator or authorize ${how}`, async () => {
        for (const [what, reason] of Object.entries(reasons)) {
          for (const auth of [{ validate: () => fail(reason) }, { authorize: () => fail(reason) }]) {
            const made = fixture({ auth });
            made.app.get("/", (c) => c.text("let in"));
            const response = await ask(made, "/", { headers: { authorization: "Bearer t" } });
            assert.ok(response.status === 401 || response.status === 500, `${response.status} for ${what}`);
          }
        }
      });

      it(`fails one request when a schema ${how}`, async () => {
        for (const [what, reason] of Object.entries(reasons)) {
          const made = fixture();
          const schema = {
            "~standard": { version: 1, vendor: "test", validate: () => fail(reason) },
          } as const;
          made.app.post("/", validate("json", schema), (c) => c.text("valid"));
          assert.equal((await ask(made, "/", { method: "POST", body: "{}" })).status, 500, what);
        }
      });

      it(`fails one request when the application's own error handler ${how}`, async () => {
        for (const [what, reason] of Object.entries(reasons)) {
          const made = fixture();
          made.app.get("/", () => {
            throw new Error("a handler");
          });
          made.app.onError(() => fail(reason));
          assert.equal((await ask(made)).status, 500, what);
        }
      });

      it(`responds all the same when onError ${how}`, async () => {
        for (const reason of Object.values(reasons)) {
          const made = fixture({}, { onError: () => fail(reason) });
          made.app.get("/", () => {
            throw new Error("a handler");
          });
          assert.equal((await problemOf(await ask(made))).status, 500);
        }
      });

      it(`responds without permission for other pages when cors.origins ${how}`, async () => {
        for (const [what, reason] of Object.entries(reasons)) {
          const made = fixture({ cors: { origins: () => fail(reason) } });
          made.app.get("/", (c) => c.text("ok"));
          const headers = { origin: "https://page.test" };
          const response = await ask(made, "/", { headers });
          assert.equal(response.status, 200, what);
          assert.equal(response.headers.get("access-control-allow-origin"), null);
          const sentRequest = { ...headers, "access-control-request-method": "GET" };
          assert.equal((await ask(made, "/", { method: "OPTIONS", headers: sentRequest })).status, 500);
          assert.equal(made.errors.length, 2);
        }
      });
    }

    it("is not waited for past the deadline, whatever it comes to later", async () => {
      const late: Readonly<Record<string, () => unknown>> = {
        "never settles": () => new Promise(() => {}),
        "rejects with nothing": () => Promise.reject(undefined),
        "resolves with nothing": () => undefined,
        "resolves with a number": () => 42,
        "resolves with what looks like a response": () => ({ status: 200, body: { cancel: () => 1 } }),
        "resolves with a response whose body is locked": () => {
          const response = new Response(new ReadableStream());
          response.body?.getReader();
          return response;
        },
        "resolves with a response that fails to cancel": () =>
          new Response(new ReadableStream({ cancel: () => Promise.reject(new Error("cancel")) })),
      };
      for (const [what, task] of Object.entries(late)) {
        for (const hook of ["handler", "validate", "authorize", "onError", "schema"]) {
          const wait = async (): Promise<never> => {
            await made.clock.sleep(deadlineMs + 500);
            return task() as never;
          };
          const auth =
            hook === "validate" ? { validate: wait } : hook === "authorize" ? { authorize: wait } : {};
          const made = fixture({ auth });
          const schema = {
            "~standard": {
              version: 1,
              vendor: "t",
              validate: hook === "schema" ? wait : () => ({ value: 1 }),
            },
          } as const;
          if (hook === "onError") made.app.onError(wait);
          made.app.get("/", validate("query", schema), () => {
            if (hook === "handler") return wait();
            throw new Error("a handler");
          });
          const response = await ask(made, "/", { headers: { authorization: "Bearer t" } });
          assert.equal(response.status, 504, `${hook} ${what}`);
          assert.equal(await made.count({ outcome: "deadline_exceeded" }), 1);
          // Hono asks an error handler that fails a second time.
          if (hook !== "onError") assert.equal(made.clock.pending, 0);
        }
      }
    });

    it("may end its call itself, and still gets its response out", async () => {
      const made = fixture();
      made.app.get("/", async (c) => {
        c.get("call").end({ verdict: "success", status: "mine", local: false, neverStarted: false } as never);
        await settle();
        return c.text("ok");
      });
      assert.equal((await ask(made)).status, 200);
    });

    it("fails one request when a listener of the call throws", async () => {
      const made = fixture();
      made.app.get("/", async (c) => {
        const call = c.get("call");
        for (const listen of [call.onEnd.bind(call), call.onCancel.bind(call)]) {
          listen(() => {
            throw new Error("a listener");
          });
        }
        if (c.req.query("late") !== undefined) await made.clock.sleep(2 * deadlineMs);
        return c.text("ok");
      });
      await printedErrors(async () => {
        assert.equal((await ask(made)).status, 200);
        assert.equal((await ask(made, "/?late")).status, 504);
      });
    });
  });

  describe(`what a handler returns or throws, ${way},`, () => {
    it("fails its request when it is no response, and says so to onError", async () => {
      const values: readonly unknown[] = [42, "text", true, {}, [], () => {}, Symbol("s"), Response.error()];
      for (const value of values) {
        for (const wrap of [(given: unknown) => given, async (given: unknown) => given]) {
          const made = fixture();
          made.app.get("/", () => wrap(value) as never);
          assert.equal((await ask(made)).status, 500, String(value));
          assert.equal(await made.count({ outcome: "http_500" }), 1);
          assert.equal(made.errors.length, 1);
        }
      }
    });

    it("is a plain 500 when it cannot be put into a response", async () => {
      const ring: Record<string, unknown> = {};
      ring.ring = ring;
      const plain = { type: "about:blank", title: "Odd" };
      const withField = (name: string, value: string): MeshError =>
        Object.assign(new MeshError("ERR_PERMISSION_DENIED", "no"), { [name]: value });
      for (const error of [
        new ProblemError({ ...plain, status: 700 }),
        new ProblemError({ ...plain, status: 99 }),
        new ProblemError({ ...plain, status: Number.NaN }),
        new ProblemError({ ...plain, status: 400, ring }),
        new ProblemError({ ...plain, status: 400, big: 1n }),
        withField("challenge", "Bearer\r\nx: y"),
        withField("allow", "GET\0"),
      ]) {
        const made = fixture();
        made.app.get("/", () => {
          throw error;
        });
        const problem = await problemOf(await ask(made));
        assert.deepEqual([problem.status, problem.detail], [500, undefined]);
        assert.ok(made.errors.includes(error));
        assert.equal(await made.count({ outcome: "http_500" }), 1);
      }
    });

    it("is not the caller's fault when the body of the request broke off", async () => {
      const made = fixture();
      made.app.post("/", bodyLimit(Infinity), async (c) => {
        await c.req.text().catch(() => {});
        return c.json(JSON.parse("{upstream"));
      });
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error("broken off")) });
      const init = { method: "POST", body, duplex: "half" } as RequestInit;
      assert.equal((await ask(made, "/", init)).status, 500);
    });

    it("is not the caller's fault when it parsed something else in vain", async () => {
      const made = fixture();
      made.app.post("/", async (c) => {
        await c.req.json();
        return c.json(JSON.parse("{upstream"));
      });
      assert.equal((await ask(made, "/", { method: "POST", body: "{}" })).status, 500);
      assert.equal((await ask(made, "/", { method: "POST", body: "{own" })).status, 400);
    });
  });
}

describe("a schema that responds with nonsense", () => {
  it("fails its request", async () => {
    for (const result of [
      undefined,
      null,
      7,
      { issues: 7 },
      { issues: [null] },
      { issues: [{ path: [null] }] },
    ]) {
      const { app } = serverFixture();
      const schema = {
        "~standard": { version: 1, vendor: "test", validate: () => result as never },
      } as const;
      app.post("/", validate("json", schema), (c) => c.text("valid"));
      assert.equal((await app.request("/", { method: "POST", body: "{}" })).status, 500);
    }
  });

  it("lists no more violations than anybody reads", async () => {
    const { app } = serverFixture();
    const issues = Array.from({ length: 50_000 }, (_, index) => ({ message: "no number", path: [index] }));
    const schema = { "~standard": { version: 1, vendor: "test", validate: () => ({ issues }) } } as const;
    app.post("/", validate("json", schema), (c) => c.text("valid"));
    const problem = await problemOf(await app.request("/", { method: "POST", body: "[]" }));
    assert.equal((problem.violations as unknown[]).length, 100);
    assert.equal(problem.detail, "The request body is not valid: no number, and 49999 more");
  });
});
