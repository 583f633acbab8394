import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import type { MeshEnv } from "../../src/hono/env.ts";
import { meshMiddleware } from "../../src/hono/middleware.ts";
import { problemOf, serverFixture } from "./fixture.ts";

/** A request as a listener shows it: of any method, which a real one cannot have. */
function requestOf(method: string, path: string, body: ReadableStream | null = null): Request {
  const url = `http://lake.test${path}`;
  return { method, url, headers: new Headers(), body, signal: new AbortController().signal } as never;
}

const ordinary = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/** What no `Request` can be made with, in any case. */
const refused = ["TRACE", "CONNECT", "TRACK", "trace", "Connect", "GE T", "", "GET\n"];

for (const way of ["fused", "behind a middleware"] as const) {
  describe(`a method that no handler may see, ${way},`, () => {
    const fixture = () => {
      const made = serverFixture();
      if (way === "behind a middleware") made.app.use((_, next) => next());
      made.app.get("/data", (c) => c.text("read"));
      made.app.post("/data", (c) => c.text("written"));
      made.app.all("/all/:name", (c) => c.text(`seen ${c.req.method}`));
      return made;
    };

    it("gets 405 and what the path takes, with a body and without", async () => {
      for (const method of refused.filter((each) => each !== "")) {
        for (const body of [null, new ReadableStream()]) {
          const { app, errors } = fixture();
          for (const [path, allow] of [
            ["/data", "GET, POST, HEAD"],
            ["/all/x", ordinary],
          ] as const) {
            const response = await app.fetch(requestOf(method, path, body));
            assert.deepEqual([response.status, response.headers.get("allow")], [405, allow], method);
            assert.equal((await problemOf(response)).code, "ERR_METHOD_NOT_ALLOWED");
          }
          assert.equal((await app.fetch(requestOf(method, "/nowhere", body))).status, 404, method);
          assert.deepEqual(errors, []);
        }
      }
    });

    it("is counted under names that are bounded, however many are tried", async () => {
      const { app, metrics } = fixture();
      for (let index = 0; index < 100; index++) {
        await app.fetch(requestOf(`M${index}`, "/data"));
        await app.fetch(requestOf(`M${index}`, `/${index}`));
        await app.fetch(requestOf(index % 2 === 0 ? "TRACE" : "CONNECT", `/all/${index}`));
      }
      const lines = (await metrics.exposition()).split("\n");
      const series = lines.filter((line) => line.startsWith("mesh_server_requests_total{"));
      assert.deepEqual(series.sort(), [
        'mesh_server_requests_total{operation="ALL /all/:name",protocol="rest",outcome="method_not_allowed"} 100',
        'mesh_server_requests_total{operation="unmatched",protocol="rest",outcome="method_not_allowed"} 100',
        'mesh_server_requests_total{operation="unmatched",protocol="rest",outcome="route_unknown"} 100',
      ]);
    });

    it("is any other one only where there is no route for it", async () => {
      const { app } = fixture();
      for (const method of ["PROPFIND", "QUERY", "get", "X-OWN", "constructor", "__proto__"]) {
        const response = await app.fetch(requestOf(method, "/data"));
        assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, POST, HEAD"], method);
        assert.equal((await app.fetch(requestOf(method, "/nowhere"))).status, 404, method);
        assert.equal(await (await app.fetch(requestOf(method, "/all/x"))).text(), `seen ${method}`);
      }
    });
  });
}

describe("a method that no handler may see, in an app of the user's own,", () => {
  it("gets 405", async () => {
    const { pipeline, clock } = serverFixture();
    const app = new Hono<MeshEnv>();
    app.use(meshMiddleware({ pipeline, clock }));
    app.all("/", (c) => c.text("seen"));
    for (const body of [null, new ReadableStream()]) {
      const response = await app.fetch(requestOf("TRACE", "/", body));
      assert.deepEqual([response.status, response.headers.get("allow")], [405, ordinary]);
    }
    assert.equal(pipeline.inFlight, 0);
  });
});
