import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addMetadata } from "../../../src/rpc/dialect/header-metadata.ts";

/** The fields that go out for metadata, in their order. */
function fieldsOf(metadata: [string, string][]): string[] {
  const fields: string[] = [];
  addMetadata(fields, new Headers(metadata));
  return fields;
}

describe("addMetadata()", () => {
  it("sends every binary value in a field of its own", () => {
    const values = ["AAEC", "AwQ=", "BQ"];
    const fields = fieldsOf(values.map((value) => ["x-some-bin", value]));
    assert.deepEqual(fields, ["x-some-bin", "AAEC", "x-some-bin", "AwQ=", "x-some-bin", "BQ"]);
    assert.deepEqual(fieldsOf([["x-some-bin", "AAEC,AwQ= ,\tBQ"]]), fields, "joined by the caller");
    assert.deepEqual(fieldsOf([["x-some-bin", "AAEC"]]), ["x-some-bin", "AAEC"]);
  });

  it("keeps binary values of no bytes", () => {
    const fields = fieldsOf([
      ["x-some-bin", "AAEC"],
      ["x-some-bin", ""],
      ["x-some-bin", "AwQ="],
    ]);
    assert.deepEqual(fields, ["x-some-bin", "AAEC", "x-some-bin", "", "x-some-bin", "AwQ="]);
    assert.deepEqual(fieldsOf([["x-some-bin", ""]]), ["x-some-bin", ""]);
  });

  it("leaves text as it is, and out what the protocol says itself", () => {
    const fields = fieldsOf([
      ["x-text", "a"],
      ["x-text", "b,c"],
      ["x-binary", "d, e"],
      ["grpc-status", "0"],
      ["te", "gzip"],
      ["grpc-status-details-bin", "AAEC, AwQ="],
    ]);
    assert.deepEqual(fields, ["x-binary", "d, e", "x-text", "a, b,c"]);
  });
});
