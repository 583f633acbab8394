import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  acceptRequestId,
  childTraceparent,
  formatTraceparent,
  newRequestId,
  newSpanId,
  newTraceparent,
  parseTraceparent,
  readTracestate,
} from "../../src/telemetry/propagation.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";

describe("traceparent", () => {
  it("is read and written back unchanged", () => {
    const header = `00-${traceId}-${parentId}-01`;
    const context = parseTraceparent(header);
    assert.deepEqual(context, { traceId, parentId, flags: "01" });
    assert.equal(formatTraceparent(context!), header);
  });

  it("is read from a later version that adds fields", () => {
    assert.deepEqual(parseTraceparent(`cc-${traceId}-${parentId}-01-what-the-future-brings`), {
      traceId,
      parentId,
      flags: "01",
    });
  });

  for (const [what, header] of [
    ["empty", ""],
    ["cut short", `00-${traceId}-${parentId}`],
    ["in capitals", `00-${traceId.toUpperCase()}-${parentId}-01`],
    ["of version ff", `ff-${traceId}-${parentId}-01`],
    ["of version 00 with more fields", `00-${traceId}-${parentId}-01-more`],
    ["of a later version that runs on without a dash", `01-${traceId}-${parentId}-01more`],
    ["of a trace of zeros", `00-${"0".repeat(32)}-${parentId}-01`],
    ["of a parent of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["of too few hex digits", `00-${traceId.slice(1)}-${parentId}-01`],
  ] as const) {
    it(`is refused when it is ${what}`, () => {
      assert.equal(parseTraceparent(header), undefined);
    });
  }

  it("made new is valid, recorded, and never the same", () => {
    const made = Array.from({ length: 1000 }, newTraceparent);
    assert.equal(new Set(made).size, 1000);
    for (const header of made) assert.equal(parseTraceparent(header)?.flags, "01");
  });

  it("of a child keeps trace and flags and has a parent of its own", () => {
    const child = childTraceparent(`00-${traceId}-${parentId}-00`);
    const context = parseTraceparent(child);
    assert.equal(context?.traceId, traceId);
    assert.equal(context?.flags, "00");
    assert.notEqual(context?.parentId, parentId);
  });

  it("takes ids from the whole range of hex digits", () => {
    const ids = Array.from({ length: 2_000 }, newSpanId);
    for (const id of ids) assert.match(id, /^[0-9a-f]{16}$/);
    assert.equal(new Set(ids).size, 2_000);
    assert.equal(new Set(ids.join("")).size, 16);
  });
});

describe("tracestate", () => {
  it("passes when it is printable and short", () => {
    assert.equal(
      readTracestate("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
      "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    );
  });

  it("is dropped when it is too long or holds control characters", () => {
    assert.equal(readTracestate(`a=${"x".repeat(2000)}`), "");
    assert.equal(readTracestate("a=\u0001"), "");
    assert.equal(readTracestate("a=é"), "");
  });
});

describe("request id", () => {
  it("is kept when it is short and plain", () => {
    assert.equal(acceptRequestId("req-42.a:b/c_D+=@~"), "req-42.a:b/c_D+=@~");
    assert.equal(acceptRequestId("x".repeat(128)), "x".repeat(128));
  });

  it("is made new when there is none, or one that is long or odd", () => {
    for (const bad of [null, undefined, "", "x".repeat(129), "a b", "a\nb", "<script>", "ü"]) {
      const id = acceptRequestId(bad);
      assert.match(id, /^[0-9a-f]{24}$/);
    }
    assert.notEqual(newRequestId(), newRequestId());
  });
});
