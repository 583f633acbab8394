import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type StandardSchema, validate } from "../../src/hono/validate.ts";
import { problemOf, serverFixture } from "./fixture.ts";

/** A schema as the libraries make them, by hand: an object with a name, and a limit that becomes a number. */
const schema: StandardSchema<{ name: string; limit?: string }, { name: string; limit: number }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(value) {
      const { name, limit = "10" } = value as { name?: unknown; limit?: unknown };
      const issues = [];
      if (typeof name !== "string") issues.push({ message: "is no text", path: ["name"] });
      if (!/^\d+$/.test(String(limit))) issues.push({ message: "is no number", path: [{ key: "limit" }] });
      return issues.length > 0 ? { issues } : { value: { name: name as string, limit: Number(limit) } };
    },
  },
};

describe("validate()", () => {
  it("hands the handler what the schema made of the input, typed", async () => {
    const { app } = serverFixture();
    app.post("/json", validate("json", schema), (c) => c.json(c.req.valid("json").limit + 1));
    app.get("/query", validate("query", schema), (c) => c.json(c.req.valid("query").name.toUpperCase()));
    app.get("/param/:name", validate("param", schema), (c) => c.json(c.req.valid("param")));
    const posted = await app.request("/json", { method: "POST", body: '{"name":"a","limit":"41"}' });
    assert.equal(await posted.json(), 42);
    assert.equal(await (await app.request("/query?name=ann")).json(), "ANN");
    assert.deepEqual(await (await app.request("/param/x")).json(), { name: "x", limit: 10 });
  });

  it("responds with 400 and every violation, and where each is", async () => {
    const { app, count } = serverFixture();
    app.post("/", validate("json", schema), (c) => c.text("unreachable"));
    const problem = await problemOf(await app.request("/", { method: "POST", body: '{"limit":"x"}' }));
    assert.equal(problem.status, 400);
    assert.equal(problem.detail, "The request body is not valid: is no text");
    assert.deepEqual(problem.violations, [
      { pointer: "/name", detail: "is no text" },
      { pointer: "/limit", detail: "is no number" },
    ]);
    assert.equal(await count({ operation: "POST /", outcome: "invalid_body" }), 1);
  });

  it("escapes names as JSON Pointers do", async () => {
    const odd: StandardSchema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async () => ({
          issues: [{ message: "no", path: ["a/b", "c~d", 0] }, { message: "never" }],
        }),
      },
    };
    const { app } = serverFixture();
    app.get("/", validate("query", odd), (c) => c.text("unreachable"));
    const problem = await problemOf(await app.request("/"));
    assert.deepEqual(problem.violations, [
      { pointer: "/a~1b/c~0d/0", detail: "no" },
      { pointer: "", detail: "never" },
    ]);
  });

  it("gives a repeated query parameter as a list", async () => {
    const any: StandardSchema<unknown, unknown> = {
      "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) },
    };
    const { app } = serverFixture();
    app.get("/", validate("query", any), (c) => c.json(c.req.valid("query")));
    assert.deepEqual(await (await app.request("/?tag=a&tag=b&name=c")).json(), {
      tag: ["a", "b"],
      name: "c",
    });
  });

  it("responds to broken JSON as everywhere else", async () => {
    const { app } = serverFixture();
    app.post("/", validate("json", schema), (c) => c.text("unreachable"));
    const problem = await problemOf(await app.request("/", { method: "POST", body: "{" }));
    assert.deepEqual([problem.status, problem.code], [400, "ERR_INVALID_BODY"]);
    assert.deepEqual(problem.position, { offset: 1, line: 1, column: 2 });
  });
});
