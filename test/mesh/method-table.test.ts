import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMesh } from "../../src/mesh/mesh.ts";
import { methodKeyFrom } from "../../src/mesh/method-key.ts";
import { MethodTable } from "../../src/mesh/method-table.ts";

function tableOf(...keys: readonly string[]): MethodTable<string> {
  const table = new MethodTable<string>();
  for (const key of keys) table.add(key, () => key);
  return table;
}

describe("the table of methods", () => {
  it("finds the most specific pattern, in whatever order they were given", () => {
    const keys = ["GET /*", "GET /:a", "GET /:a/:b", "GET /:a/b", "GET /a/:b", "GET /a/b", "GET /a/*"];
    for (const given of [keys, [...keys].reverse()]) {
      const table = tableOf(...given);
      const found = (path: string): string | undefined => table.rest("GET", path, undefined);
      assert.equal(found("/a/b"), "GET /a/b");
      assert.equal(found("/a/c"), "GET /a/:b");
      assert.equal(found("/c/b"), "GET /:a/b");
      assert.equal(found("/c/d"), "GET /:a/:b");
      assert.equal(found("/a"), "GET /:a");
      assert.equal(found("/a/b/c"), "GET /a/*");
      assert.equal(found("/c/b/a?x=/a/b"), "GET /*");
    }
  });

  it("fits whole segments, as they are encoded, and no others", () => {
    const table = tableOf("GET /a/:name", "GET /%C3%A4", "GET /x.y/(z)");
    assert.equal(table.rest("GET", "/a/b%2Fc", undefined), "GET /a/:name");
    for (const path of ["/a/", "/a", "/a/b/", "/b/a/b", "/xxy/(z)"]) {
      assert.equal(table.rest("GET", path, undefined), undefined, path);
    }
    assert.equal(table.rest("POST", "/a/b", undefined), undefined);
    assert.equal(table.rest("GET", "/%C3%A4", undefined), "GET /%C3%A4");
    assert.equal(table.rest("GET", "/x.y/(z)?q", undefined), "GET /x.y/(z)");
  });

  it("takes time in proportion to the path, whatever that is", () => {
    const table = tableOf(`GET /${":a/".repeat(30)}x/*`);
    const before = performance.now();
    assert.equal(table.rest("GET", `/${"a/".repeat(50_000)}`, undefined), undefined);
    assert.equal(table.rest("GET", `/${"a".repeat(500_000)}`, undefined), undefined);
    assert.ok(performance.now() >= before);
  });

  it("replaces an entry of the same meaning, and tells what it replaces", () => {
    const table = new MethodTable<string>();
    table.add("GET /a/:x", () => "first");
    table.add("GET /a/:y", (before) => `${before}, second`);
    assert.equal(table.rest("GET", "/a/1", undefined), "first, second");
    assert.equal(table.rest("GET", "/other", "GET /a/:x"), "first, second");
  });

  it("finds RPCs by full name, then name, then service", () => {
    const table = tableOf("a.v1.S/Get", "put", "a.v1.S/*", "Constructor");
    assert.equal(table.rpc("a.v1.S/Get"), "a.v1.S/Get");
    assert.equal(table.rpc("a.v1.S/Put"), "put");
    assert.equal(table.rpc("a.v1.S/List"), "a.v1.S/*");
    assert.equal(table.rpc("b.v1.S/List"), undefined);
    assert.equal(table.rpc("b.v1.S/toString"), undefined);
  });
});

describe("a key of methods that can never match", () => {
  const refused: readonly (readonly [key: string, why: string])[] = [
    ["get /x", 'methods are written in capitals; write "GET /x"'],
    ["/x", 'it has no HTTP method; write "GET /x"'],
    ["GET /x?limit=5", "the path ends before the query; leave the query out"],
    ["GET /x/../y", 'no request has a segment ".."'],
    ["a.v1.Service", 'it names an RPC service and no method; write "a.v1.Service/*" for all of its methods'],
    [
      "GET /x/*/y",
      'its segment "*" is no part of a path; write text as it is encoded in URLs, :name for one segment, or * at the end for all that follow',
    ],
    [
      "GET /x/:id{[0-9]+}",
      'its segment ":id{[0-9]+}" is no part of a path; write text as it is encoded in URLs, :name for one segment, or * at the end for all that follow',
    ],
    [
      "GET /ä",
      'its segment "ä" is no part of a path; write text as it is encoded in URLs, :name for one segment, or * at the end for all that follow',
    ],
  ];
  for (const [key, why] of refused) {
    it(`is refused where it is given: ${key}`, () => {
      assert.throws(() => createMesh({ service: "shop", policies: { lake: { methods: { [key]: {} } } } }), {
        name: "TypeError",
        message: `Cannot make policies["lake"] of createMesh() methods: "${key}" can never match: ${why}`,
      });
    });
  }

  it("is refused whatever it is", () => {
    for (const key of ["", " ", "*", "GET", "GET  ", "GET x", "a/b/c", "S/", "/", "a b", "GET /x y"]) {
      if (/^[A-Z]+$/.test(key)) continue;
      assert.throws(() => methodKeyFrom("x", key), /can never match/, JSON.stringify(key));
    }
  });

  it("is refused when it says the same as another one", () => {
    for (const [one, other] of [
      ["GET /a/:x", "GET /a/:y"],
      ["queryRows", "QueryRows"],
    ] as const) {
      const methods = { [one]: {}, [other]: {} };
      assert.throws(() => createMesh({ service: "shop", policies: { lake: { methods } } }), {
        message: `Cannot make policies["lake"] of createMesh() methods: "${other}" and "${one}" are the same; leave one of them out`,
      });
    }
  });
});
