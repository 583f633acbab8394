import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";

/** Options as code without types, or a file, may hold them. */
function mesh(options: Record<string, unknown>): ReturnType<typeof createMesh> {
  return createMesh({ service: "shop", ...options } as never);
}

/** Each mistake: what is done, and all that the error says. */
const mistakes: readonly (readonly [what: string, run: () => unknown, message: string])[] = [
  [
    "a misspelt name of a server in a policy",
    () => mesh({ policies: { lake: { tls: { servername: "lake.test" } } } }),
    'Cannot make policies["lake"] of createMesh() tls: it has no option "servername"; did you mean "serverName"?',
  ],
  [
    "the identity of the mesh in a policy",
    () => mesh({ policies: { lake: { tls: { ca: "" } } } }),
    'Cannot make policies["lake"] of createMesh() tls: it has no option "ca"; its options are serverName, spiffeId',
  ],
  [
    "an address as the name of a server",
    () => mesh({ policies: { lake: { tls: { serverName: "10.0.0.7" } } } }),
    'Cannot make policies["lake"] of createMesh(): tls.serverName is "10.0.0.7"; pass a DNS name, without scheme and port',
  ],
  [
    "a port in the name of a server",
    () => mesh({ policies: { lake: { tls: { serverName: "lake.test:443" } } } }),
    'Cannot make policies["lake"] of createMesh(): tls.serverName is "lake.test:443"; pass a DNS name, without scheme and port',
  ],
  [
    "what is no SPIFFE ID",
    () => mesh({ policies: { lake: { tls: { spiffeId: "lake" } } } }),
    'Cannot make policies["lake"] of createMesh(): tls.spiffeId is "lake"; pass an ID such as spiffe://example.org/lake, or a list of them',
  ],
  [
    "no SPIFFE ID at all, which would let anybody in",
    () => mesh({ policies: { lake: { tls: { spiffeId: [] } } } }),
    'Cannot make policies["lake"] of createMesh(): tls.spiffeId is an empty list; pass at least one ID, or leave it out',
  ],
  [
    "a misspelt name of a server at an endpoint",
    () => staticResolver({ lake: [{ origin: "https://10.0.0.7", tls: { sni: "lake.test" } } as never] }),
    'Cannot make staticResolver(): endpoint 1 of "lake" tls: it has no option "sni"; its options are serverName, spiffeId',
  ],
  [
    "the identity of a server that is called in the clear",
    () => staticResolver({ lake: [{ origin: "http://10.0.0.7", tls: { serverName: "lake.test" } }] }),
    'Cannot make staticResolver(): endpoint 1 of "lake" says who its server must be (tls), which nobody can verify in the clear; use https://',
  ],
];

describe("A mistake in who a server must be", () => {
  for (const [what, run, message] of mistakes) {
    it(`is refused where it is made: ${what}`, () => {
      assert.throws(run, (error: Error) => {
        assert.equal(error.message, message);
        return error instanceof TypeError;
      });
    });
  }
});
