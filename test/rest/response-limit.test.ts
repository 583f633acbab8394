import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { bodyOf, drain, errorOf, type Lake, lakeOf } from "./lake.ts";

const mebibyte = "x".repeat(1024 * 1024);

/** A service whose body never ends; whether it was cancelled. */
function endless(): Lake & { readonly cancelled: () => boolean } {
  let cancelled = false;
  const made = lakeOf(() => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: (controller) => controller.enqueue(new TextEncoder().encode(mebibyte)),
        cancel: () => {
          cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body);
  });
  return { ...made, cancelled: () => cancelled };
}

describe("the limit of a response body", () => {
  for (const read of ["text", "bytes", "json"] as const) {
    it(`ends a body without end, read as ${read}`, async () => {
      const { lake, cancelled } = endless();
      const error = await errorOf(lake.get("x")[read]());
      assert.ok(isMeshError(error, "ERR_BODY_TOO_LARGE"));
      assert.equal(
        error.message,
        "Cannot read the response of lake GET: its body is larger than 10485760 bytes; raise maxResponseBytes, or read the body as a stream",
      );
      assert.equal(cancelled(), true);
    });
  }

  it("refuses a body by the length it declares, before any of it is read", async () => {
    let pulled = 0;
    const { lake } = lakeOf(() => {
      const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
      return new Response(body, { headers: { "content-length": "11" } });
    });
    const error = await errorOf(lake.get("x", { maxResponseBytes: 10 }).text());
    assert.ok(isMeshError(error, "ERR_BODY_TOO_LARGE"));
    assert.equal(pulled, 0);
  });

  it("lets a body of exactly so many bytes through", async () => {
    const { lake } = lakeOf(() => new Response(bodyOf(["12345", "67890"])));
    assert.equal(await lake.get("x", { maxResponseBytes: 10 }).text(), "1234567890");
    assert.ok(
      isMeshError(await errorOf(lake.get("x", { maxResponseBytes: 9 }).text()), "ERR_BODY_TOO_LARGE"),
    );
  });

  it("holds for streams when it is set, and only then", async () => {
    const { lake, cancelled } = endless();
    const error = await errorOf(drain(lake.get("x", { maxResponseBytes: 3_000_000 }).stream()));
    assert.ok(isMeshError(error, "ERR_BODY_TOO_LARGE"));
    assert.equal(cancelled(), true);
    const pieces = lakeOf(() => new Response(bodyOf(Array<string>(12).fill(mebibyte))));
    assert.equal(await drain(pieces.lake.get("x").stream({ chunkBytes: mebibyte.length })), 12);
  });

  it("is a client's default, and a request's own", async () => {
    const { mesh } = lakeOf(() => new Response(bodyOf(["12345"])));
    const lake = mesh.rest("lake", { maxResponseBytes: 4 });
    assert.ok(isMeshError(await errorOf(lake.get("x").text()), "ERR_BODY_TOO_LARGE"));
    assert.equal(await lake.get("x", { maxResponseBytes: 5 }).text(), "12345");
    assert.equal(await lake.get("x", { maxResponseBytes: Infinity }).text(), "12345");
  });

  it("bounds mesh.fetch when it is asked to", async () => {
    const { mesh } = lakeOf(() => new Response(bodyOf(["12345"])));
    const bounded = await mesh.fetch("mesh://lake/", { maxResponseBytes: 4 });
    assert.ok(isMeshError(await errorOf(bounded.text()), "ERR_BODY_TOO_LARGE"));
    assert.equal(await (await mesh.fetch("mesh://lake/")).text(), "12345");
  });

  it("must be a number of bytes", async () => {
    const { mesh, lake } = lakeOf(() => new Response("ok"));
    for (const maxResponseBytes of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => mesh.rest("lake", { maxResponseBytes }), RangeError);
      assert.throws(() => lake.get("x", { maxResponseBytes }), RangeError);
      assert.match(
        String(await errorOf(mesh.fetch("mesh://lake/", { maxResponseBytes }))),
        /^RangeError: Cannot fetch mesh:\/\/lake\/: maxResponseBytes is .*; pass a whole number from 1, or Infinity/,
      );
    }
    assert.throws(() => mesh.rest("lake", { maxResponseBytes: "10" as never }), TypeError);
  });
});
