import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { isHttpError } from "../../src/rest/http-error.ts";
import { bodyOf, errorOf, lakeOf } from "./lake.ts";

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

  it("gives a buffer, a blob with its media type, and a form", async () => {
    const form = new FormData();
    form.set("name", "weather");
    const csv = new Blob(["a,b"], { type: "text/csv" });
    const { lake } = lakeOf((request) => new Response(request.url.endsWith("/form") ? form : csv));
    assert.equal((await lake.get("x").arrayBuffer()).byteLength, 3);
    const blob = await lake.get("x").blob();
    assert.deepEqual([blob.type, await blob.text()], ["text/csv", "a,b"]);
    assert.equal((await lake.get("form").formData()).get("name"), "weather");
    const response = await lake.get("x");
    const buffer = await response.arrayBuffer();
    assert.equal(new TextDecoder().decode(buffer), "a,b");
  });

  it("says that a body is no form", async () => {
    const { lake } = lakeOf(() => Response.json({}));
    const error = await errorOf(lake.get("x?token=secret").formData());
    assert.ok(isMeshError(error, "ERR_INVALID_BODY"));
    assert.match(error.message, /^GET lake\/x returned 200 with a body of "application\/json.*": no form \(/);
  });

  it("names the request when the response is malformed JSON", async () => {
    const { lake } = lakeOf(() => new Response('{"a": 1,'));
    const error = await errorOf(lake.get("datasets/x", { query: { token: "secret" } }).json());
    assert.ok(isMeshError(error, "ERR_INVALID_BODY"));
    assert.match(error.message, /^GET lake\/datasets\/x returned 200 with "\{\\"a\\": 1,": no JSON/);
    assert.doesNotMatch(error.message, /secret/);
  });

  it("says that an empty response is no JSON", async () => {
    const { lake } = lakeOf(() => new Response(null, { status: 204 }));
    const error = await errorOf(lake.delete("x").json());
    assert.match(error.message, /^DELETE lake\/x returned 204 with an empty body: no JSON/);
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
    assert.match(error.message, /^GET lake\/x returned 200, line 4 of its body is "\{oops\}": no JSON/);
  });

  it("refuses a body that is read twice", async () => {
    const { lake } = lakeOf(() => new Response(bodyOf(["a"])));
    const response = await lake.get("x");
    assert.equal(await response.text(), "a");
    assert.match((await errorOf(response.text())).message, /it has been read already/);
  });
});

describe("HttpError", () => {
  it("carries status, problem and the whole response", async () => {
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
    assert.equal(error.message, "GET lake/datasets/x returned 404 Not Found: No dataset is called x");
    assert.deepEqual(error.problem, problem);
    assert.deepEqual(await error.response.json(), problem);
    assert.equal(isHttpError(error, 500), false);
  });

  it("makes the plain problem of the status when the response is none", async () => {
    const { lake } = lakeOf(
      () => new Response("<html>", { status: 500, headers: { "content-type": "text/html" } }),
    );
    const error = await errorOf(lake.get("x").json());
    assert.ok(isHttpError(error, 500));
    assert.equal(error.message, "GET lake/x returned 500 Internal Server Error");
    assert.equal(error.problem?.title, "Internal Server Error");
    assert.equal(await error.response.text(), "<html>");
  });

  it("keeps the first 64 KiB of a long response and ends its transfer", async () => {
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
    const location = "/y?code=secret#part";
    const { lake } = lakeOf(() => new Response(null, { status: 307, headers: { location } }));
    const error = await errorOf(lake.get("x"));
    assert.equal(error.message, "GET lake/x returned 307, which redirects to /y: redirects are not followed");
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
