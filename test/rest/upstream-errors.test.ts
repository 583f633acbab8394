import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError, TransportError } from "../../src/core/errors.ts";
import { isUpstream, markUpstream } from "../../src/core/upstream.ts";
import { bodyOf, drain, errorOf, type Lake, lakeOf } from "./lake.ts";

const policies = { lake: { retry: false, breaker: false } } as const;

function answering(response: () => Response): Lake {
  return lakeOf(response, { policies });
}

const fault = new TypeError("fetch failed");

describe("errors about what another service sent", () => {
  const causes: [string, () => Response, (lake: Lake) => Promise<unknown>, string][] = [
    [
      "a status",
      () => new Response("no", { status: 404 }),
      ({ lake }) => lake.get("x").text(),
      "ERR_HTTP_STATUS",
    ],
    ["text that is no JSON", () => new Response("{"), ({ lake }) => lake.get("x").json(), "ERR_INVALID_BODY"],
    [
      "text that is no JSON, after the response",
      () => new Response("{"),
      async ({ lake }) => (await lake.get("x")).json(),
      "ERR_INVALID_BODY",
    ],
    [
      "a line that is no JSON",
      () => new Response("1\n{\n"),
      ({ lake }) => drain(lake.get("x").ndjson()),
      "ERR_INVALID_BODY",
    ],
    [
      "a body that breaks off",
      () => new Response(bodyOf(["a"], fault)),
      ({ lake }) => lake.get("x").text(),
      "ERR_TRANSPORT",
    ],
    [
      "a stream that breaks off",
      () => new Response(bodyOf(["a"], fault)),
      ({ lake }) => drain(lake.get("x").stream()),
      "ERR_TRANSPORT",
    ],
    [
      "a body over the limit",
      () => new Response(bodyOf(["12345"])),
      ({ lake }) => lake.get("x", { maxResponseBytes: 4 }).text(),
      "ERR_BODY_TOO_LARGE",
    ],
    [
      "a stream over the limit",
      () => new Response(bodyOf(["12345"])),
      ({ lake }) => drain(lake.get("x", { maxResponseBytes: 4 }).lines()),
      "ERR_BODY_TOO_LARGE",
    ],
    [
      "a redirect that is not followed",
      () => new Response(null, { status: 302, headers: { location: "https://evil.test/" } }),
      ({ mesh }) => mesh.fetch("mesh://lake/"),
      "ERR_HTTP_STATUS",
    ],
  ];
  for (const [name, response, run, code] of causes) {
    it(`are marked as such: ${name}`, async () => {
      const service = answering(response);
      const error = await service.clock.run(errorOf(run(service)));
      assert.equal((error as { code?: string }).code, code);
      assert.equal(isUpstream(error), true);
    });
  }

  it("are marked as such: a connection that fails", async () => {
    for (const run of [
      ({ lake }: Lake) => lake.get("x").text(),
      ({ mesh }: Lake) => mesh.fetch("mesh://lake/"),
    ]) {
      const service = lakeOf(() => Promise.reject(fault), { policies });
      const error = await service.clock.run(errorOf(run(service)));
      assert.ok(error instanceof TransportError);
      assert.equal(isUpstream(error), true);
    }
  });

  it("are not what the caller did", async () => {
    const { lake } = answering(() => new Response("ok"));
    const aborted = AbortSignal.abort(new Error("enough"));
    assert.equal(isUpstream(await errorOf(lake.get("x", { signal: aborted }))), false);
    assert.equal(
      isUpstream(
        await errorOf(
          lakeOf(() => new Response())
            .mesh.rest("swamp")
            .get("x"),
        ),
      ),
      false,
    );
  });
});

describe("markUpstream", () => {
  it("returns what it is given, and takes what cannot be marked", () => {
    const error = new Error("x");
    assert.equal(markUpstream(error), error);
    assert.equal(isUpstream(error), true);
    for (const other of ["text", 1, null, undefined]) {
      assert.equal(markUpstream(other), other);
      assert.equal(isUpstream(other), false);
    }
    assert.equal(isMeshError(error), false);
  });
});
