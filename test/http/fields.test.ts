import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  combinedFieldOf,
  combinedFields,
  FieldSource,
  fieldOf,
  joinedFieldOf,
  removeField,
  setField,
  withField,
} from "../../src/http/fields.ts";

const received = [
  ":path",
  "/",
  "accept",
  "a",
  "cookie",
  "c=1",
  "host",
  "first",
  "accept",
  "b",
  "set-cookie",
  "s=1",
  "host",
  "second",
  "cookie",
  "c=2",
  "set-cookie",
  "s=2",
];

describe("a list of header fields", () => {
  it("gives the first value of a field, all of them, or what counts of them", () => {
    assert.deepEqual(
      ["accept", "cookie", "host", "none"].map((name) => [
        fieldOf(received, name),
        joinedFieldOf(received, name),
        combinedFieldOf(received, name),
      ]),
      [
        ["a", "a, b", "a, b"],
        ["c=1", "c=1, c=2", "c=1; c=2"],
        ["first", "first, second", "first"],
        [undefined, undefined, undefined],
      ],
    );
    assert.equal(new FieldSource(received).get("accept"), "a, b");
  });

  it("is made into one with each field once, without pseudo-header fields and with all cookies that are set", () => {
    assert.deepEqual(combinedFields(received), [
      ...["accept", "a, b", "cookie", "c=1; c=2", "host", "first"],
      ...["set-cookie", "s=1", "set-cookie", "s=2"],
    ]);
  });

  it("takes a new value in the place of the old ones", () => {
    const fields = ["a", "1", "b", "2", "a", "3", "a", "4"];
    setField(fields, "a", "5");
    assert.deepEqual(fields, ["a", "5", "b", "2"]);
    setField(fields, "c", "6");
    assert.deepEqual(fields, ["a", "5", "b", "2", "c", "6"]);
    assert.deepEqual(withField(fields, "b", "7"), ["a", "5", "b", "7", "c", "6"]);
    removeField(fields, "b");
    removeField(fields, "none");
    assert.deepEqual(fields, ["a", "5", "c", "6"]);
  });

  it("knows no field by a name that every object has", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      assert.equal(combinedFieldOf([], name), undefined);
      assert.deepEqual(combinedFields([name, "x"]), [name, "x"]);
    }
  });
});
