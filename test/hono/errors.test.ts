import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { HTTPException } from "hono/http-exception";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import { markUpstream } from "../../src/core/upstream.ts";
import { ProblemError } from "../../src/http/problem.ts";
import { problemOf, serverFixture } from "./fixture.ts";

/** What a handler throws comes out the same whether or not a middleware makes Hono handle it. */
for (const way of ["fused", "behind a middleware"] as const) {
  const fixture = () => {
    const made = serverFixture();
    if (way === "behind a middleware") made.app.use((_, next) => next());
    return made;
  };

  describe(`an error thrown in a handler, ${way}`, () => {
    it("of the mesh's own becomes the problem of its code", async () => {
      const { app, count, errors } = fixture();
      app.get("/", () => {
        throw new MeshError("ERR_PERMISSION_DENIED", "Not for you");
      });
      const problem = await problemOf(await app.request("/", { headers: { "x-request-id": "r1" } }));
      assert.deepEqual(problem, {
        type: "about:blank",
        title: "Forbidden",
        status: 403,
        detail: "Not for you",
        instance: "r1",
        code: "ERR_PERMISSION_DENIED",
      });
      assert.equal(await count({ outcome: "permission_denied" }), 1);
      assert.deepEqual(errors, []);
    });

    it("that nobody knows becomes a 500 that says nothing, and is told to the application", async () => {
      const { app, count, errors } = fixture();
      const bug = new Error("password is hunter2");
      app.get("/", async () => {
        throw bug;
      });
      const response = await app.request("/");
      assert.deepEqual(Object.keys(await problemOf(response)).sort(), [
        "instance",
        "status",
        "title",
        "type",
      ]);
      assert.equal(response.status, 500);
      assert.deepEqual(errors, [bug]);
      assert.equal(await count({ outcome: "http_500" }), 1);
    });

    it("by Hono keeps its status, or its own response", async () => {
      const { app, errors } = fixture();
      app.get("/status", () => {
        throw new HTTPException(409, { message: "exists" });
      });
      app.get("/response", () => {
        throw new HTTPException(418, { res: new Response("teapot", { headers: { "x-pot": "tea" } }) });
      });
      const problem = await problemOf(await app.request("/status"));
      assert.deepEqual([problem.status, problem.detail], [409, "exists"]);
      const own = await app.request("/response");
      assert.deepEqual([own.status, own.headers.get("x-pot"), await own.text()], [418, "tea", "teapot"]);
      assert.ok(own.headers.has("x-request-id"));
      assert.deepEqual(errors, []);
    });

    it("by an RPC client becomes the problem of its code", async () => {
      const { app } = fixture();
      app.get("/", async () => {
        throw new ConnectError("no such dataset", Code.NotFound);
      });
      const problem = await problemOf(await app.request("/"));
      assert.deepEqual([problem.status, problem.code, problem.detail], [404, "not_found", "no such dataset"]);
    });

    it("that came from another service is a 502, 503 or 504 without a word of it, and is told", async () => {
      const { app, count, errors } = fixture();
      const secret = "row 7 of 10.0.0.9";
      const failed = (status: number): ProblemError =>
        new ProblemError({ type: "about:blank", title: "x", status, detail: secret, code: secret });
      const cases: [unknown, number][] = [
        [new MeshError("ERR_INVALID_BODY", secret), 502],
        [new MeshError("ERR_BODY_TOO_LARGE", secret), 502],
        [new MeshError("ERR_HTTP_STATUS", secret), 502],
        [failed(400), 502],
        [failed(404), 502],
        [failed(500), 502],
        [failed(429), 503],
        [failed(503), 503],
        [failed(504), 504],
        [new MeshError("ERR_BREAKER_OPEN", secret, { retryAfterMs: 1_500 }), 503],
        [new ConnectError(secret, Code.InvalidArgument), 502],
        [new ConnectError(secret, Code.Internal), 502],
        [new ConnectError(secret, Code.ResourceExhausted), 503],
        [new ConnectError(secret, Code.Unavailable), 503],
        [new ConnectError(secret, Code.DeadlineExceeded), 504],
        [{ message: secret }, 502],
      ];
      const fromWire = new ConnectError(secret, Code.NotFound);
      fromWire.isWireError = true;
      const thrown: unknown[] = [];
      app.get("/", () => {
        throw thrown.at(-1);
      });
      for (const [error, status] of cases) {
        // What is no error goes past a middleware's next, by Hono's own rule.
        if (!(error instanceof Error) && way !== "fused") continue;
        thrown.push(markUpstream(error));
        const response = await app.request("/");
        const text = await response.text();
        assert.equal(response.status, status, String(error));
        assert.ok(!text.includes(secret), text);
        assert.equal(errors.at(-1), error);
      }
      assert.equal(await count({ outcome: "http_502" }), way === "fused" ? 9 : 8);
      thrown.push(fromWire);
      assert.equal((await app.request("/")).status, 502);
      thrown.push(markUpstream(new MeshError("ERR_BREAKER_OPEN", secret, { retryAfterMs: 1_500 })));
      assert.equal((await app.request("/")).headers.get("retry-after"), "2");
    });

    it("that cannot even be written is a plain 500", async () => {
      const { app, errors } = fixture();
      const thrown: unknown[] = [
        new ProblemError({ type: "about:blank", title: "x", status: 99 }),
        new ProblemError({ type: "about:blank", title: "x", status: 404, size: 7n }),
        Object.assign(new MeshError("ERR_UNAUTHENTICATED", "no"), { challenge: "a\nb" }),
        Object.assign(new Error("no"), {
          res: new Response(),
          getResponse() {
            throw new Error("nor this");
          },
        }),
      ];
      const count = thrown.length;
      app.get("/", () => {
        throw thrown.shift();
      });
      for (let turn = 0; turn < count; turn++) assert.equal((await app.request("/")).status, 500);
      assert.equal(errors.length, count);
    });

    it("by a client of the mesh names no addresses to the outside", async () => {
      const { app } = fixture();
      app.get("/", () => {
        throw new TransportError("refused", "Cannot reach https://10.0.0.7:7101");
      });
      const response = await app.request("/");
      assert.equal(response.status, 503);
      assert.ok(!(await response.text()).includes("10.0.0.7"));
    });

    it("that is a problem is sent as it is, with the members of its own", async () => {
      const { app } = fixture();
      app.get("/", () => {
        throw new ProblemError({
          type: "https://example.com/gone",
          title: "Deleted",
          status: 410,
          dataset: "flights",
        });
      });
      const problem = await problemOf(await app.request("/"));
      assert.deepEqual(
        [problem.status, problem.type, problem.dataset],
        [410, "https://example.com/gone", "flights"],
      );
    });

    it("says when to come back", async () => {
      const { app } = fixture();
      app.get("/", () => {
        throw new MeshError("ERR_SHUTTING_DOWN", "Soon again", { retryAfterMs: 1200 });
      });
      const response = await app.request("/");
      assert.equal(response.headers.get("retry-after"), "2");
      assert.equal((await problemOf(response)).retryAfterMs, 1200);
    });
  });

  describe(`a body that is no JSON, ${way}`, () => {
    for (const [what, body, position] of [
      ["broken in the middle", '{"a":\n 1,}', { offset: 9, line: 2, column: 4 }],
      ["cut off", '{"a": [1, 2', { offset: 11, line: 1, column: 12 }],
      ["empty", "", { offset: 0, line: 1, column: 1 }],
      ["no JSON at all", "name=flights", { offset: 0, line: 1, column: 1 }],
    ] as const) {
      it(`is a 400 that names the position when it is ${what}`, async () => {
        const { app, count, errors } = fixture();
        app.post("/", async (c) => c.json(await c.req.json()));
        const problem = await problemOf(await app.request("/", { method: "POST", body }));
        assert.deepEqual(
          [problem.status, problem.code, problem.position],
          [400, "ERR_INVALID_BODY", position],
        );
        assert.equal(await count({ operation: "POST /", outcome: "invalid_body" }), 1);
        assert.deepEqual(errors, []);
      });
    }

    it("is not blamed for JSON that the handler got elsewhere", async () => {
      const { app, errors } = fixture();
      app.post("/", async (c) => {
        await c.req.json();
        return c.json(JSON.parse("{broken"));
      });
      assert.equal((await app.request("/", { method: "POST", body: "{}" })).status, 500);
      assert.equal(errors.length, 1);
    });
  });

  describe(`an error handler of the app's own, ${way}`, () => {
    it("responds instead of the chain, and the chain still counts and labels", async () => {
      const { app, count } = fixture();
      app.onError((error, c) => c.text(`own: ${error.message}`, 418));
      app.get("/", () => {
        throw new Error("x");
      });
      const response = await app.request("/");
      assert.deepEqual([response.status, await response.text()], [418, "own: x"]);
      assert.ok(response.headers.has("x-request-id"));
      assert.equal(await count({ operation: "GET /", outcome: "http_418" }), 1);
    });
  });
}

describe("an application whose own responses fail", () => {
  it("has the error of its error handler responded to, and the request is over", async () => {
    for (const fails of [
      () => {
        throw new Error("worse");
      },
      () => Promise.reject(new Error("worse")),
    ]) {
      const { app, pipeline, errors } = serverFixture();
      app.onError(fails);
      app.get("/sync", () => {
        throw new Error("x");
      });
      app.get("/async", async () => {
        throw new Error("x");
      });
      for (const path of ["/sync", "/async"]) assert.equal((await app.request(path)).status, 500);
      assert.deepEqual(errors.map(String), ["Error: worse", "Error: worse"]);
      assert.equal(pipeline.inFlight, 0);
    }
  });

  it("is responded to although what writes errors down, or decides on origins, throws", async () => {
    const fails = (): never => {
      throw new Error("worse");
    };
    for (const [server, options] of [
      [{}, { onError: fails }],
      [{ cors: { origins: fails } }, {}],
    ] as const) {
      const { app, pipeline } = serverFixture(server, options);
      app.get("/sync", () => {
        throw new Error("x");
      });
      app.get("/async", async (c) => {
        await Promise.resolve();
        return c.text("ok");
      });
      const headers = { origin: "https://a.example" };
      assert.equal((await app.request("/sync", { headers })).status, 500);
      assert.ok([200, 500].includes((await app.request("/async", { headers })).status));
      assert.equal(pipeline.inFlight, 0);
    }
  });
});
