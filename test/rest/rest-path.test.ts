import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { targetFrom } from "../../src/rest/rest-path.ts";

const target = (path: string, query?: Parameters<typeof targetFrom>[2]): string =>
  targetFrom("Cannot call lake", path, query);

describe("targetFrom()", () => {
  it("takes a path with and without its first slash", () => {
    assert.equal(target("datasets/a"), "/datasets/a");
    assert.equal(target("/datasets/a"), "/datasets/a");
    assert.equal(target(""), "/");
  });

  it("encodes what a path cannot hold, and nothing that is encoded already", () => {
    assert.equal(target("a b/grün/#1?q=ä"), "/a%20b/gr%C3%BCn/%231?q=%C3%A4");
    assert.equal(target("a%2Fb%20c"), "/a%2Fb%20c");
    assert.equal(target("topics:list/a@b"), "/topics:list/a@b");
  });

  it("adds the query to what the path has already", () => {
    assert.equal(target("x", { a: 1 }), "/x?a=1");
    assert.equal(target("x?b=2", { a: 1 }), "/x?b=2&a=1");
    assert.equal(target("x", {}), "/x");
  });

  it("repeats arrays, leaves undefined out, and encodes names and values", () => {
    const query = { a: [1, "2", undefined, true], b: undefined, "c&d": "e=f g", n: 10n };
    assert.equal(target("x", query), "/x?a=1&a=2&a=true&c%26d=e%3Df%20g&n=10");
    assert.equal(
      target(
        "x",
        new URLSearchParams([
          ["a", "1 2"],
          ["a", "3"],
        ]),
      ),
      "/x?a=1+2&a=3",
    );
  });

  it("lets dots be where they are no segments", () => {
    assert.equal(target("a.b/..c/d../...?next=../x"), "/a.b/..c/d../...?next=../x");
  });

  it("refuses every segment that a URL parser would take for a step up, or a host", () => {
    const treacherous = [
      "..",
      "a/..",
      "../a",
      ".",
      "a/./b",
      "%2e%2E",
      "a/.%2e/b",
      "//host",
      "http://host/",
      "HTTPS://h",
      "a\\b",
      "/\\host",
      "a\tb",
      "a\u0000b",
    ];
    for (const path of treacherous) {
      assert.throws(() => target(path), TypeError, path);
    }
  });

  it("gives a target that every URL parser leaves in the service", () => {
    for (const path of ["a b", "grün", "a?x=../..", "x:y", "@host/", ":80/", "a;b", "a%2f..%2fb"]) {
      const url = new URL(`http://lake.test:7101${target(path)}`);
      assert.equal(url.origin, "http://lake.test:7101", path);
      assert.equal(url.pathname + url.search, target(path), path);
    }
  });

  it("refuses text that is no Unicode", () => {
    assert.throws(() => target("a\ud800"), /no well-formed Unicode/);
  });
});
