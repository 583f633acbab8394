import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { isMeshError } from "../../src/core/errors.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { isHttpError } from "../../src/rest/http-error.ts";
import { bodyOf, errorOf, lakeOf } from "./lake.ts";

const echo = new Hono()
  .all("/echo", async (c) =>
    c.json({
      method: c.req.method,
      query: c.req.query("q"),
      body: await c.req.text(),
      headers: Object.fromEntries(c.req.raw.headers),
    }),
  )
  .get("/teapot", (c) => c.text("short and stout", 418))
  .get("/stream", () => new Response(bodyOf(["a", "b"])));

interface Echo {
  readonly method: string;
  readonly query?: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

describe("mesh.fetch", () => {
  it("reaches a service by its name, and returns a real Response", async () => {
    const { mesh, requests } = lakeOf((request) => echo.fetch(request));
    const response = await mesh.fetch("mesh://lake/echo?q=1#part", {
      method: "POST",
      body: "hi",
      headers: { "x-a": "b" },
    });
    assert.ok(response instanceof Response);
    assert.deepEqual([response.status, response.ok, response.url], [200, true, "mesh://lake/echo?q=1#part"]);
    const { method, query, body, headers } = (await response.json()) as Echo;
    assert.deepEqual([method, query, body], ["POST", "1", "hi"]);
    assert.deepEqual([headers["x-a"], headers["content-type"]], ["b", "text/plain;charset=UTF-8"]);
    assert.match(headers.traceparent ?? "", /^00-/);
    assert.equal(requests[0]?.url, "http://lake.test/echo?q=1");
  });

  it("takes URL and Request objects, and lets init win", async () => {
    const { mesh } = lakeOf((request) => echo.fetch(request));
    const request = new Request("http://direct.test/echo", {
      method: "PUT",
      body: "hi",
      headers: { "x-a": "1" },
    });
    const sent = (await (await mesh.fetch(request)).json()) as Echo;
    assert.deepEqual([sent.method, sent.body, sent.headers["x-a"]], ["PUT", "hi", "1"]);
    const again = new Request("http://direct.test/echo", { method: "PUT", body: "hi" });
    const changed = (await (await mesh.fetch(again, { method: "POST", body: "ho" })).json()) as Echo;
    assert.deepEqual([changed.method, changed.body], ["POST", "ho"]);
    assert.equal((await mesh.fetch(new URL("mesh://lake/teapot"))).status, 418);
  });

  it("passes a request on to a service, without the headers of its connection and of its context", async () => {
    const { mesh } = lakeOf((request) => echo.fetch(request));
    const incoming = new Request("http://gateway.test/echo", {
      method: "POST",
      body: "hi",
      headers: {
        "x-a": "1",
        "keep-alive": "timeout=5",
        "mesh-attempt": "4",
        "mesh-retry": "never",
        te: "gzip",
      },
    });
    const { body, headers } = (await (await mesh.fetch("mesh://lake/echo", incoming)).json()) as Echo;
    assert.deepEqual([body, headers["x-a"]], ["hi", "1"]);
    assert.deepEqual(
      [headers["keep-alive"], headers["mesh-attempt"], headers.te],
      [undefined, undefined, undefined],
    );
  });

  it("makes no error of a status", async () => {
    const { mesh } = lakeOf((request) => echo.fetch(request));
    const response = await mesh.fetch("mesh://lake/teapot");
    assert.deepEqual([response.status, await response.text()], [418, "short and stout"]);
    assert.equal((await mesh.fetch("mesh://lake/nothing")).status, 404);
  });

  it("streams the response", async () => {
    const { mesh } = lakeOf((request) => echo.fetch(request));
    const response = await mesh.fetch("mesh://lake/stream");
    assert.equal(await response.text(), "ab");
  });

  it("keeps each cookie a header of its own", async () => {
    const { mesh } = lakeOf(() => {
      const headers = new Headers();
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      return new Response(null, { status: 204, headers });
    });
    const response = await mesh.fetch("mesh://lake/");
    assert.deepEqual([response.status, response.body], [204, null]);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  });

  it("sends an upload as a stream, and repeats a request that may be", async () => {
    const { mesh, clock, requests } = lakeOf((request, number) =>
      number === 1 ? new Response("", { status: 503 }) : echo.fetch(request),
    );
    const put = clock.run(mesh.fetch("mesh://lake/echo", { method: "PUT", body: "again" }));
    assert.equal(((await (await put).json()) as Echo).body, "again");
    assert.equal(requests.length, 2);
    const posted = await mesh.fetch("mesh://lake/echo", { method: "POST", body: bodyOf(["a", "b"]) });
    assert.equal(((await posted.json()) as Echo).body, "ab");
  });

  it("calls an origin that no resolver knows, and tells it the trace and no more", async () => {
    const { mesh, requests } = lakeOf((request) => echo.fetch(request));
    const response = await mesh.fetch("http://elsewhere.test:8080/echo");
    const { headers } = (await response.json()) as Echo;
    assert.equal(requests[0]?.url, "http://elsewhere.test:8080/echo");
    assert.match(headers.traceparent ?? "", /^00-/);
    assert.equal(headers["mesh-timeout-ms"], undefined);
  });

  it("fails with the mesh's errors, and with the reason of the caller's signal", async () => {
    const { mesh, clock } = lakeOf(() => new Promise(() => {}));
    const late = await clock.run(errorOf(mesh.fetch("mesh://lake/", { timeoutMs: 100 })));
    assert.ok(isMeshError(late, "ERR_DEADLINE_EXCEEDED"));
    assert.ok(isMeshError(await errorOf(mesh.fetch("mesh://swamp/")), "ERR_SERVICE_UNKNOWN"));
    const controller = new AbortController();
    const failed = errorOf(mesh.fetch("mesh://lake/", { signal: controller.signal }));
    const reason = new Error("enough");
    controller.abort(reason);
    assert.equal(await failed, reason);
  });

  it("stays within the service, whatever the path looks like", async () => {
    const { mesh, requests } = lakeOf(() => new Response("ok"));
    for (const path of [
      "//evil.test/x",
      "/a/../../x",
      "/\\evil.test\\..\\x",
      "/@evil.test",
      "/a%2f..%2fx",
      "?/../x",
    ]) {
      await mesh.fetch(`mesh://lake${path}`);
      assert.equal(new URL(requests.at(-1)?.url ?? "").origin, "http://lake.test", path);
    }
    await mesh.fetch("http://direct.test//two/slashes");
    assert.equal(requests.at(-1)?.url, "http://direct.test//two/slashes");
  });

  it("refuses what it cannot fetch, without repeating its secrets", async () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    const refused: [string, RegExp][] = [
      [
        "datasets/x",
        /^TypeError: Cannot fetch datasets\/x: it is no absolute URL; pass mesh:\/\/service\/path/,
      ],
      ["ftp://host/x", /^TypeError: .*its scheme is ftp:/],
      ["mesh:///x", /^TypeError: .*names no service/],
      ["mesh://lake:80/x", /^TypeError: .*a mesh URL has no port/],
      [
        "http://user:secret@host/x?token=secret",
        /^TypeError: Cannot fetch http:\/\/host\/x: it holds credentials/,
      ],
    ];
    for (const [url, expected] of refused) {
      const error = await errorOf(mesh.fetch(url));
      assert.match(String(error), expected);
      assert.doesNotMatch(String(error), /secret/);
    }
    assert.match(
      String(await errorOf(mesh.fetch("mesh://lake/", { body: "x" }))),
      /a GET request has no body/,
    );
    assert.match(
      String(await errorOf(mesh.fetch("mesh://lake/", { timeoutMs: -1 }))),
      /^RangeError: .*timeoutMs is -1/,
    );
  });
});

describe("mesh.fetch and redirects", () => {
  /** Redirects `/from` as told, and echoes everywhere else. */
  function redirecting(status: number, location: string, options = {}) {
    return lakeOf(
      (request) =>
        new URL(request.url).pathname === "/from"
          ? new Response(null, { status, headers: { location } })
          : new Hono()
              .all("*", async (c) =>
                c.json({
                  url: c.req.url,
                  method: c.req.method,
                  body: await c.req.text(),
                  headers: Object.fromEntries(c.req.raw.headers),
                }),
              )
              .fetch(request),
      options,
    );
  }
  type Landed = Echo & { readonly url: string };
  const headers = { authorization: "Bearer t", cookie: "a=b", "content-type": "text/plain", "x-a": "1" };

  it("follows them within the service, relative or at the endpoint's own origin", async () => {
    for (const location of ["/to?x=1", "to?x=1", "http://lake.test/to?x=1", "mesh://lake/to?x=1"]) {
      const { mesh } = redirecting(302, location);
      const response = await mesh.fetch("mesh://lake/from", { headers });
      assert.deepEqual([response.redirected, response.url], [true, "mesh://lake/to?x=1"], location);
      const landed = (await response.json()) as Landed;
      assert.equal(landed.url, "http://lake.test/to?x=1");
      assert.equal(landed.headers.authorization, "Bearer t");
    }
  });

  it("follows none out of a service", async () => {
    const resolver = staticResolver({ lake: ["http://lake.test"], swamp: ["http://swamp.test"] });
    for (const location of ["http://evil.test/", "mesh://swamp/", "//evil.test/", "file:///etc/passwd"]) {
      const { mesh, requests } = redirecting(307, location, { resolver });
      const error = await errorOf(mesh.fetch("mesh://lake/from"));
      assert.ok(isHttpError(error, 307), `${location}: ${error}`);
      assert.match(error.message, /leaves the service/);
      assert.equal(requests.length, 1);
    }
  });

  it("leaves credentials behind between origins", async () => {
    const { mesh } = redirecting(307, "http://other.test/to");
    const landed = (await (await mesh.fetch("http://direct.test/from", { headers })).json()) as Landed;
    assert.deepEqual(
      ["authorization", "cookie", "x-a"].map((name) => landed.headers[name]),
      [undefined, undefined, "1"],
    );
  });

  it("turns POST into GET where the standard says so, and repeats it where it says that", async () => {
    for (const [status, method, body] of [
      [301, "GET", ""],
      [302, "GET", ""],
      [303, "GET", ""],
      [307, "POST", "hi"],
      [308, "POST", "hi"],
    ] as const) {
      const { mesh } = redirecting(status, "/to");
      const response = await mesh.fetch("mesh://lake/from", { method: "POST", body: "hi", headers });
      const landed = (await response.json()) as Landed;
      assert.deepEqual([landed.method, landed.body], [method, body], String(status));
      assert.equal(landed.headers["content-type"], method === "GET" ? undefined : "text/plain");
    }
  });

  it("cannot repeat a body that was a stream", async () => {
    const { mesh } = redirecting(308, "/to");
    const error = await errorOf(mesh.fetch("mesh://lake/from", { method: "PUT", body: bodyOf(["a"]) }));
    assert.ok(isHttpError(error, 308));
    assert.match(error.message, /its body is a stream, which cannot be sent again/);
  });

  it("gives up after 20", async () => {
    const { mesh, requests } = redirecting(302, "/from");
    const error = await errorOf(mesh.fetch("mesh://lake/from"));
    assert.ok(isHttpError(error, 302));
    assert.equal(requests.length, 21);
  });

  it("shows them as they are, or fails, when told so", async () => {
    const { mesh } = redirecting(302, "/to");
    const shown = await mesh.fetch("mesh://lake/from", { redirect: "manual" });
    assert.deepEqual([shown.status, shown.headers.get("location")], [302, "/to"]);
    assert.ok(isHttpError(await errorOf(mesh.fetch("mesh://lake/from", { redirect: "error" })), 302));
  });

  it("names those that it does not follow without their queries, which may hold secrets", async () => {
    const { mesh } = redirecting(302, "https://ann:pw@other.test/to?code=secret");
    const error = await errorOf(mesh.fetch("mesh://lake/from?token=secret"));
    assert.equal(
      error.message,
      "Cannot fetch mesh://lake/from: mesh://lake/from redirects to https://other.test/to, which is not followed: it leaves the service",
    );
  });

  it("keeps all of them within one deadline", async () => {
    const { mesh, clock } = lakeOf((_, number) =>
      clock.sleep(60).then(() => new Response(null, { status: 302, headers: { location: `/${number}` } })),
    );
    const start = clock.now();
    const error = await clock.run(errorOf(mesh.fetch("mesh://lake/", { timeoutMs: 200 })));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"));
    assert.ok(clock.now() - start <= 260);
  });
});
