import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { Call } from "../../src/core/call.ts";
import { bodyOf, lakeOf } from "./lake.ts";

describe("createRestClient()", () => {
  it("sends each verb to the path of the service, and reads JSON", async () => {
    const app = new Hono().all("/datasets/:name", (c) =>
      c.json({ method: c.req.method, name: c.req.param("name"), limit: c.req.query("limit") }),
    );
    const { lake } = lakeOf((request) => app.fetch(request));
    for (const verb of ["get", "post", "put", "delete", "patch", "options"] as const) {
      assert.deepEqual(await lake[verb]("datasets/weather", { query: { limit: 2 } }).json(), {
        method: verb.toUpperCase(),
        name: "weather",
        limit: "2",
      });
    }
    assert.equal((await lake.head("datasets/weather")).status, 200);
    const { method } = await lake.request("report", "datasets/weather").json<{ method: string }>();
    assert.equal(method, "REPORT");
  });

  it("sends json and the kinds of body with their media types", async () => {
    const { lake } = lakeOf(async (request) =>
      Response.json([request.headers.get("content-type"), await request.text()]),
    );
    const form = new FormData();
    form.set("name", "weather");
    const utf8 = new TextEncoder().encode("bytes");
    async function* pieces() {
      yield "pie";
      yield new TextEncoder().encode("ces");
    }
    const sent = async (options: object): Promise<unknown> => lake.post("x", options).json();
    assert.deepEqual(await sent({ json: { a: [1, null] } }), ["application/json", '{"a":[1,null]}']);
    assert.deepEqual(await sent({ body: "text" }), ["text/plain;charset=UTF-8", "text"]);
    assert.deepEqual(await sent({ body: utf8 }), ["application/octet-stream", "bytes"]);
    assert.deepEqual(await sent({ body: utf8.buffer }), ["application/octet-stream", "bytes"]);
    assert.deepEqual(await sent({ body: new DataView(utf8.buffer, 1, 2) }), [
      "application/octet-stream",
      "yt",
    ]);
    assert.deepEqual(await sent({ body: new Blob(["b,l"], { type: "text/csv" }) }), ["text/csv", "b,l"]);
    assert.deepEqual(await sent({ body: new URLSearchParams({ a: "1 2" }) }), [
      "application/x-www-form-urlencoded;charset=UTF-8",
      "a=1+2",
    ]);
    assert.deepEqual(await sent({ body: bodyOf(["a", "b"]) }), ["application/octet-stream", "ab"]);
    assert.deepEqual(await sent({ body: () => bodyOf(["a", "b"]) }), ["application/octet-stream", "ab"]);
    assert.deepEqual(await sent({ body: pieces() }), ["application/octet-stream", "pieces"]);
    assert.deepEqual(await sent({ body: "{}", headers: { "Content-Type": "application/ld+json" } }), [
      "application/ld+json",
      "{}",
    ]);
    const [type, text] = (await sent({ body: form })) as [string, string];
    assert.match(type, /^multipart\/form-data; ?boundary=/);
    assert.match(text, /name="name"\r\n\r\nweather\r\n/);
  });

  it("sends the client's headers and the request's, which win", async () => {
    const { mesh } = lakeOf((request) => Response.json([...request.headers]));
    const lake = mesh.rest("lake", { headers: { Accept: "text/plain", "X-Tenant": "a" } });
    const headers = new Map(
      await lake
        .get("x", { headers: new Headers({ accept: "application/json" }) })
        .json<[string, string][]>(),
    );
    assert.equal(headers.get("accept"), "application/json");
    assert.equal(headers.get("x-tenant"), "a");
    assert.match(headers.get("traceparent") ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.equal(headers.get("mesh-timeout-ms"), "30000");
  });

  it("makes calls on behalf of another one: its deadline, trace and request id carry over", async () => {
    const { lake, clock, requests } = lakeOf(() => new Response("ok"));
    const parent = new Call({
      side: "server",
      protocol: "rest",
      service: "gateway",
      operation: "GET /",
      deadline: clock.now() + 250,
    });
    parent.requestId = "r-1";
    await lake.get("x", { parent, timeoutMs: 1_000 });
    assert.equal(requests[0]?.headers.get("mesh-timeout-ms"), "250");
    assert.equal(requests[0]?.headers.get("x-request-id"), "r-1");
  });
});

describe("createRestClient(), given bad arguments", () => {
  const { lake, mesh, requests } = lakeOf(() => new Response("ok"));
  const refused: [string, () => unknown, RegExp][] = [
    [
      "a negative timeout",
      () => lake.get("x", { timeoutMs: -1 }),
      /^RangeError: Cannot call lake: timeoutMs is -1; pass a number above 0/,
    ],
    [
      "a timeout that is no number",
      () => lake.get("x", { timeoutMs: Number.NaN }),
      /^RangeError: .*timeoutMs is NaN/,
    ],
    [
      "a negative default timeout",
      () => mesh.rest("lake", { timeoutMs: -5 }),
      /^RangeError: Cannot make a client of lake: timeoutMs is -5/,
    ],
    [
      "an absolute URL",
      () => lake.get("https://evil.test/x"),
      /^TypeError: .*names a host; pass a path within the service/,
    ],
    ["a path that names a host", () => lake.get("//evil.test/x"), /^TypeError: .*names a host/],
    [
      "a path that climbs out",
      () => lake.get("datasets/../admin"),
      /^TypeError: .*has a segment "\." or "\.\."/,
    ],
    ["a path that climbs out in disguise", () => lake.get("datasets/%2e%2E/admin"), /^TypeError: .*segment/],
    ["a path with a backslash", () => lake.get("a\\..\\b"), /^TypeError: .*backslash/],
    ["a path with a line end", () => lake.get("a\r\nx: y"), /^TypeError: .*control character/],
    ["a path that is no text", () => lake.get(7 as never), /^TypeError: .*the path is number; pass a string/],
    [
      "a query parameter that is no number",
      () => lake.get("x", { query: { limit: Number.NaN } }),
      /^TypeError: .*query parameter limit is NaN/,
    ],
    [
      "a query parameter that is an object",
      () => lake.get("x", { query: { a: {} as never } }),
      /^TypeError: .*query parameter a is object/,
    ],
    ["a body with GET", () => lake.get("x", { json: 1 }), /^TypeError: .*a GET request has no body/],
    [
      "two bodies",
      () => lake.post("x", { json: 1, body: "1" }),
      /^TypeError: .*json and body are both given/,
    ],
    [
      "json without a JSON form",
      () => lake.post("x", { json: () => 1 }),
      /^TypeError: .*json is function, which has no JSON form/,
    ],
    ["json that is a bigint", () => lake.post("x", { json: 1n }), /^TypeError: .*json cannot be encoded/],
    [
      "json that refers to itself",
      () => {
        const dataset: Record<string, unknown> = { name: "weather" };
        dataset.rows = [{ "of set": dataset }];
        lake.post("x", { json: { dataset } });
      },
      /^TypeError: Cannot call lake: json refers to itself: json\.dataset\.rows\["0"\]\["of set"\] is json\.dataset; send a value without circles$/,
    ],
    [
      "a body of no kind",
      () => lake.post("x", { body: 7 as never }),
      /^TypeError: .*body is number; pass text, bytes/,
    ],
    [
      "a header that ends the line",
      () => lake.get("x", { headers: { a: "b\r\nc: d" } }),
      /^TypeError: .*the header a holds/,
    ],
    [
      "a header name with a blank",
      () => lake.get("x", { headers: { "a b": "c" } }),
      /^TypeError: .*"a b" is no header name/,
    ],
    ["a method that is none", () => lake.request("GET /", "x"), /^TypeError: .*"GET \/" is no HTTP method/],
  ];
  for (const [name, run, expected] of refused) {
    it(`refuses ${name} at once`, () => {
      assert.throws(run, (error) => expected.test(String(error)) || assert.fail(String(error)));
      assert.equal(requests.length, 0);
    });
  }
});
