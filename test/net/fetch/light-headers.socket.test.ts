import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lightHeadersFrom } from "../../../src/net/fetch/light-headers.ts";

describe("the headers of a light response", () => {
  it("know no field that nobody has set", () => {
    for (const name of ["constructor", "tostring", "valueof", "hasownproperty", "__proto__"]) {
      const headers = lightHeadersFrom([]);
      assert.deepEqual([headers.get(name), headers.has(name)], [null, false], name);
    }
  });

  it("hold a field by a name that every object knows, and nothing beside", () => {
    const fields: [string, string][] = [
      ["constructor", "a"],
      ["constructor", "b"],
      ["x", "c"],
    ];
    const headers = lightHeadersFrom(fields);
    assert.equal(headers.get("constructor"), "a, b");
    assert.deepEqual([...headers.entries()], [...new Headers(fields)]);
    assert.deepEqual(headers.toFields(), ["constructor", "a, b", "x", "c"]);
  });
});
