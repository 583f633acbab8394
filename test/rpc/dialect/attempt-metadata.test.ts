import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Metadata } from "../../../src/rpc/dialect/header-metadata.ts";

describe("Metadata", () => {
  it("goes wherever headers are taken", () => {
    const metadata = new Metadata({ "X-Own": "kept", traceparent: "old" });
    metadata.set("traceparent", "new");
    metadata.set("x-request-id", "7");
    const headers = new Headers(metadata as Iterable<[string, string]> as [string, string][]);
    assert.deepEqual(
      [headers.get("x-own"), headers.get("traceparent"), headers.get("x-request-id")],
      ["kept", "new", "7"],
    );
    const seen: string[] = [];
    metadata.forEach((value, name) => {
      seen.push(`${name}=${value}`);
    });
    assert.deepEqual(seen.sort(), ["traceparent=new", "x-own=kept", "x-request-id=7"]);
  });

  it("leaves what it was made of alone", () => {
    const headers = new Headers({ a: "1" });
    new Metadata(headers).set("a", "2");
    assert.equal(headers.get("a"), "1");
    assert.deepEqual([...new Metadata()], []);
  });

  it("refuses names and values that cannot be sent", () => {
    assert.throws(() => new Metadata({ "not a name": "x" }), TypeError);
    assert.throws(() => new Metadata([["a", "line\nbreak"]]), TypeError);
  });
});
