import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { Call } from "../../src/core/call.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { isHttpError } from "../../src/http/http-error.ts";
import { metricValue } from "../support/metric-value.ts";
import { bodyOf, errorOf, lakeOf } from "./lake.ts";

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

describe("ResponsePromise", () => {
  it("resolves with status, headers and URL, and a body that was read ahead can be read again", async () => {
    const { lake } = lakeOf(
      () => new Response('{"a":1}', { status: 201, headers: { "content-length": "7", etag: "e" } }),
    );
    const response = await lake.post("things?x=1");
    assert.deepEqual([response.status, response.ok, response.headers.get("etag")], [201, true, "e"]);
    assert.equal(response.url, "http://lake.test/things?x=1");
    assert.equal(response.complete, true);
    assert.deepEqual(await response.json(), { a: 1 });
    assert.equal(await response.text(), '{"a":1}');
    assert.equal((await response.bytes()).byteLength, 7);
    assert.equal(await new Response(response.body as never).text(), '{"a":1}');
  });

  it("gives text and bytes directly", async () => {
    const { lake } = lakeOf(() => new Response("grün"));
    assert.equal(await lake.get("x").text(), "grün");
    assert.equal((await lake.get("x").bytes()).byteLength, 5);
  });

  it("names the request when the answer is malformed JSON", async () => {
    const { lake } = lakeOf(() => new Response('{"a": 1,'));
    const error = await errorOf(lake.get("datasets/x", { query: { token: "secret" } }).json());
    assert.ok(isMeshError(error, "ERR_INVALID_BODY"));
    assert.match(error.message, /^GET lake\/datasets\/x answered 200 with "\{\\"a\\": 1,": no JSON/);
    assert.doesNotMatch(error.message, /secret/);
  });

  it("says that an empty answer is no JSON", async () => {
    const { lake } = lakeOf(() => new Response(null, { status: 204 }));
    const error = await errorOf(lake.delete("x").json());
    assert.match(error.message, /^DELETE lake\/x answered 204 with an empty body: no JSON/);
  });

  it("streams the body in pieces of at most 8 KiB, and ends the transfer when the loop is left", async () => {
    let cancelled = false;
    const { lake } = lakeOf(
      () =>
        new Response(
          bodyOf(["x".repeat(20_000), "y"], "never", () => {
            cancelled = true;
          }),
        ),
    );
    const sizes: number[] = [];
    for await (const chunk of lake.get("x").stream()) {
      sizes.push(chunk.byteLength);
      if (chunk.byteLength === 1) break;
    }
    assert.deepEqual(sizes, [8192, 8192, 3616, 1]);
    assert.equal(cancelled, true);
  });

  it("asks for no more of the body than is taken", async () => {
    let made = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          made++;
          controller.enqueue(new Uint8Array(10));
        },
      },
      { highWaterMark: 0 },
    );
    const { lake } = lakeOf(() => new Response(body));
    let taken = 0;
    for await (const _ of lake.get("x").stream()) if (++taken === 3) break;
    // What lies between may hold one piece ready.
    assert.ok(made <= taken + 1, `${made} pieces were made for ${taken} taken`);
  });

  it("reads lines, whatever the pieces they come in", async () => {
    const { lake } = lakeOf(() => new Response(bodyOf(["one\r\ntw", "o\n\nthr", "ee"])));
    const lines: string[] = [];
    for await (const line of lake.get("x").lines()) lines.push(line);
    assert.deepEqual(lines, ["one", "two", "", "three"]);
  });

  it("reads JSON lines, and names the line that is none", async () => {
    const { lake } = lakeOf(() => new Response(bodyOf(['{"a":1}\n\n{"a"', ":2}\n{oops}\n"])));
    const values: unknown[] = [];
    const error = await errorOf(
      (async () => {
        for await (const value of lake.get("x").ndjson()) values.push(value);
      })(),
    );
    assert.deepEqual(values, [{ a: 1 }, { a: 2 }]);
    assert.match(error.message, /^GET lake\/x answered 200, line 4 of its body is "\{oops\}": no JSON/);
  });

  it("refuses a body that is read twice", async () => {
    const { lake } = lakeOf(() => new Response(bodyOf(["a"])));
    const response = await lake.get("x");
    assert.equal(await response.text(), "a");
    assert.match((await errorOf(response.text())).message, /it has been read already/);
  });
});

describe("HttpError", () => {
  it("carries status, problem and the whole answer", async () => {
    const problem = {
      type: "about:blank",
      title: "Not Found",
      status: 404,
      detail: "No dataset is called x",
      code: "NO_DATASET",
    };
    const { lake } = lakeOf(() =>
      Response.json(problem, { status: 404, headers: { "content-type": "application/problem+json" } }),
    );
    const error = await errorOf(lake.get("datasets/x"));
    assert.ok(isHttpError(error, 404));
    assert.equal(error.code, "ERR_HTTP_STATUS");
    assert.equal(error.message, "GET lake/datasets/x answered 404 Not Found: No dataset is called x");
    assert.deepEqual(error.problem, problem);
    assert.deepEqual(await error.response.json(), problem);
    assert.equal(isHttpError(error, 500), false);
  });

  it("makes the plain problem of the status when the answer is none", async () => {
    const { lake } = lakeOf(
      () => new Response("<html>", { status: 500, headers: { "content-type": "text/html" } }),
    );
    const error = await errorOf(lake.get("x").json());
    assert.ok(isHttpError(error, 500));
    assert.equal(error.message, "GET lake/x answered 500 Internal Server Error");
    assert.equal(error.problem?.title, "Internal Server Error");
    assert.equal(await error.response.text(), "<html>");
  });

  it("keeps the first 64 KiB of a long answer and ends its transfer", async () => {
    let cancelled = false;
    const { lake } = lakeOf(
      () =>
        new Response(
          bodyOf(["x".repeat(100_000)], "never", () => {
            cancelled = true;
          }),
          { status: 500 },
        ),
    );
    const error = await errorOf(lake.get("x"));
    assert.ok(isHttpError(error));
    assert.equal((await error.response.bytes()).byteLength, 65_536);
    assert.equal(cancelled, true);
  });

  it("does not wait for ever for the body of an error", async () => {
    const { lake, clock } = lakeOf(() => new Response(bodyOf(["x"], "never"), { status: 500 }));
    const error = await clock.run(errorOf(lake.get("x", { timeoutMs: 400 })));
    assert.ok(isHttpError(error, 500), String(error));
  });

  it("is not thrown when the caller says so", async () => {
    const { lake } = lakeOf(() => new Response("gone", { status: 410 }));
    const response = await lake.get("x", { throwHttpErrors: false });
    assert.deepEqual([response.status, response.ok, await response.text()], [410, false, "gone"]);
  });

  it("names where a redirect leads: they are not followed", async () => {
    const { lake } = lakeOf(() => new Response(null, { status: 307, headers: { location: "/y" } }));
    const error = await errorOf(lake.get("x"));
    assert.equal(error.message, "GET lake/x answered 307, which redirects to /y: redirects are not followed");
  });

  it("says how long the service asks to wait", async () => {
    const { lake } = lakeOf(() => new Response("", { status: 429, headers: { "retry-after": "7" } }), {
      policies: { lake: { retry: false } },
    });
    const error = await errorOf(lake.get("x"));
    assert.ok(isHttpError(error, 429));
    assert.equal(error.retryAfterMs, 7_000);
  });
});

describe("a REST call and the policies", () => {
  const busyOnce = (_: Request, number: number): Response =>
    number === 1 ? new Response("busy", { status: 503 }) : new Response("ok");

  it("is repeated by its method, and says which attempt it is", async () => {
    const { lake, clock, requests } = lakeOf(busyOnce);
    assert.equal(await clock.run(lake.put("x", { json: { a: 1 } }).text()), "ok");
    assert.deepEqual(
      requests.map((request) => request.headers.get("mesh-attempt")),
      [null, "2"],
    );
    assert.equal(requests[1]?.headers.get("content-type"), "application/json");
  });

  it("is not repeated when nothing says that it may be", async () => {
    const { lake, clock, requests } = lakeOf(busyOnce);
    const error = await clock.run(errorOf(lake.post("x")));
    assert.ok(isHttpError(error, 503));
    assert.equal(requests.length, 1);
  });

  it("is repeated with an idempotency key, and on the caller's word", async () => {
    for (const word of [{ idempotencyKey: "k1" }, { idempotent: true }]) {
      const { lake, clock, requests } = lakeOf(busyOnce);
      assert.equal(await clock.run(lake.post("x", word).text()), "ok");
      assert.equal(requests[1]?.headers.get("idempotency-key"), "idempotencyKey" in word ? "k1" : null);
    }
    const { lake, clock } = lakeOf(busyOnce);
    assert.ok(isHttpError(await clock.run(errorOf(lake.get("x", { idempotent: false }))), 503));
  });

  it("is not repeated when its body was a stream, but when a function makes a new one", async () => {
    const readThenBusy = async (request: Request, number: number): Promise<Response> => {
      const text = await request.text();
      return number === 1 ? new Response("busy", { status: 503 }) : new Response(text);
    };
    const once = lakeOf(readThenBusy);
    const error = await once.clock.run(errorOf(once.lake.put("x", { body: bodyOf(["a", "b"]) })));
    assert.ok(isHttpError(error, 503));
    assert.equal(once.requests.length, 1);
    const again = lakeOf(readThenBusy);
    assert.equal(await again.clock.run(again.lake.put("x", { body: () => bodyOf(["a", "b"]) }).text()), "ab");
    assert.equal(again.requests.length, 2);
  });

  it("waits exactly as long as the service says", async () => {
    const { lake, clock } = lakeOf((_, number) =>
      number === 1 ? new Response("", { status: 503, headers: { "retry-after": "3" } }) : new Response("ok"),
    );
    const start = clock.now();
    await clock.run(lake.get("x").text());
    assert.equal(clock.now() - start, 3_000);
  });

  it("gives an answer up without holding its connection", async () => {
    let cancelled = 0;
    const { lake, clock } = lakeOf((_, number) =>
      number === 1
        ? new Response(
            bodyOf(["x"], "never", () => {
              cancelled++;
            }),
            { status: 503 },
          )
        : new Response("ok"),
    );
    assert.equal(await clock.run(lake.get("x").text()), "ok");
    assert.equal(cancelled, 1);
  });

  it("ends at the deadline when nobody answers, and the request is aborted", async () => {
    const { lake, clock, requests } = lakeOf(() => new Promise(() => {}));
    const start = clock.now();
    const error = await clock.run(errorOf(lake.get("x", { timeoutMs: 800 })));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"));
    assert.ok(clock.now() - start < 900);
    assert.equal(requests[0]?.signal.aborted, true);
  });

  it("ends at the deadline when the body stalls, whole or as a stream", async () => {
    for (const read of ["text", "stream"] as const) {
      const { lake, mesh, clock } = lakeOf(() => new Response(bodyOf(["a"], "never")));
      const reading =
        read === "text"
          ? lake.get("x", { timeoutMs: 800 }).text()
          : drain(lake.get("x", { timeoutMs: 800 }).stream());
      const error = await clock.run(errorOf(reading));
      assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
      const labels = { outcome: "deadline_exceeded" };
      assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", labels), 1);
    }
  });

  it("fails when the service vanishes in mid-stream, and counts it", async () => {
    const { lake, mesh } = lakeOf(() => new Response(bodyOf(["a"], new TypeError("terminated"))));
    const error = await errorOf(drain(lake.get("x").stream()));
    assert.ok(isMeshError(error, "ERR_TRANSPORT"), String(error));
    assert.match(error.message, /^Cannot read the answer of lake at http:\/\/lake\.test: .*terminated/);
    const labels = { outcome: "transport_unknown" };
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", labels), 1);
  });

  it("is cancelled by the caller's signal, with its reason", async () => {
    const controller = new AbortController();
    const { lake, mesh, requests } = lakeOf(() => new Promise(() => {}));
    const failed = errorOf(lake.get("x", { signal: controller.signal }));
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    assert.equal(await failed, reason);
    assert.equal(requests[0]?.signal.aborted, true);
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "cancelled" }), 1);
  });

  it("does not blame the service for a body that the caller's stream could not deliver", async () => {
    const { lake, mesh } = lakeOf(async (request) => new Response(await request.text()));
    const error = await errorOf(lake.post("x", { body: bodyOf(["a"], new Error("disk full")) }));
    assert.ok(isMeshError(error, "ERR_CANCELLED"), String(error));
    assert.equal((error.cause as Error).message, "disk full");
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "cancelled" }), 1);
  });

  it("counts an answer that nobody read as the success it was", async () => {
    const { lake, mesh, clock } = lakeOf(() => new Response(bodyOf(["a"], "never")));
    const response = await lake.get("x", { timeoutMs: 500 });
    assert.equal(response.status, 200);
    await clock.advance(600);
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "unread" }), 1);
  });

  it("names the service that discovery does not know", async () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    const error = await errorOf(mesh.rest("swamp").get("x"));
    assert.ok(isMeshError(error, "ERR_SERVICE_UNKNOWN"));
    assert.match(error.message, /swamp/);
  });
});

describe("RestClient.health()", () => {
  it("tells live and ready apart, with what /readyz says", async () => {
    const app = new Hono()
      .get("/healthz", (c) => c.json({ status: "ok" }))
      .get("/readyz", (c) => c.json({ status: "not_ready", checks: { disk: "full" } }, 503));
    const { lake, clock } = lakeOf((request) => app.fetch(request));
    assert.deepEqual(await clock.run(lake.health()), {
      live: true,
      ready: false,
      status: "not_serving",
      details: { status: "not_ready", checks: { disk: "full" } },
    });
  });

  it("says serving when both do", async () => {
    const { lake } = lakeOf(() => new Response("ok"));
    assert.deepEqual(await lake.health(), { live: true, ready: true, status: "serving", details: "ok" });
  });

  it("says unreachable instead of throwing", async () => {
    const { lake, clock } = lakeOf(() => {
      throw new TypeError("fetch failed");
    });
    const health = await clock.run(lake.health());
    assert.deepEqual([health.live, health.ready, health.status], [false, false, "unreachable"]);
    assert.match(String(health.details), /^Cannot reach lake at http:\/\/lake\.test/);
  });
});

async function drain(chunks: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of chunks) count++;
  return count;
}
