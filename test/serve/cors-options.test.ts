import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCors } from "../../src/serve/cors.ts";

const mistakes: readonly (readonly [what: string, run: () => unknown, message: string])[] = [
  [
    "an origin with a path",
    () => createCors({ origins: ["https://app.example/"] } as never),
    'Cannot make cors: origins[0] is "https://app.example/"; browsers send "https://app.example"',
  ],
  [
    "an origin without a scheme",
    () => createCors({ origins: ["app.example"] } as never),
    'Cannot make cors: origins[0] is "app.example"; browsers send an origin such as "https://app.example"',
  ],
  [
    "a pattern of origins",
    () => createCors({ origins: ["https://*.app.example"] } as never),
    'Cannot make cors: origins[0] is "https://*.app.example"; there are no patterns; pass a function',
  ],
  [
    "all origins in a list",
    () => createCors({ origins: ["*"] } as never),
    'Cannot make cors: origins[0] is "*"; pass "*" itself, without the list',
  ],
  [
    "the origin of pages that have none",
    () => createCors({ origins: ["null"] } as never),
    'Cannot make cors: origins[0] is "null"; browsers send an origin such as "https://app.example"',
  ],
  [
    "a method in lower case",
    () => createCors({ origins: "*", methods: ["patch"] } as never),
    'Cannot make cors: methods[0] is "patch"; methods are compared letter by letter, pass "PATCH"',
  ],
  [
    "one header that is no list",
    () => createCors({ origins: "*", headers: "x-tenant" } as never),
    'Cannot make cors: headers is "x-tenant"; pass a list of names',
  ],
  [
    "a star among headers where credentials come along",
    () => createCors({ origins: ["https://app.example"], credentials: true, exposeHeaders: ["*"] } as never),
    'Cannot make cors: "*" in exposeHeaders means nothing with credentials; list the names',
  ],
];

describe("A mistake in the options of CORS", () => {
  for (const [what, run, message] of mistakes) {
    it(`is refused where it is made: ${what}`, () => {
      assert.throws(run, { name: "TypeError", message });
    });
  }
});

describe("An origin", () => {
  it("is taken as browsers send it, of the web and of apps", () => {
    const origins = [
      "http://localhost:5173",
      "https://app.example",
      "https://[::1]:8443",
      "capacitor://localhost",
    ];
    assert.equal(typeof createCors({ origins }).apply, "function");
  });
});
