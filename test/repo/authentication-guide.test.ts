import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { Guide, runtimes } from "./guide.ts";

const names = Object.keys(runtimes) as (keyof typeof runtimes)[];

describe("docs/authentication.md", async () => {
  const [{ privateKey, publicKey }, stranger] = await Promise.all([
    generateKeyPair("ES256"),
    generateKeyPair("ES256"),
  ]);
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" }] });
  const login = createServer((request, response) => {
    response.statusCode = request.url === "/.well-known/jwks.json" ? 200 : 404;
    response.end(jwks);
  });
  let issuer = "";
  let guide: Guide;

  before(async () => {
    login.listen(0, "127.0.0.1");
    await once(login, "listening");
    const address = login.address();
    issuer = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    guide = new Guide("docs/authentication.md");
  });
  after(() => {
    login.closeAllConnections();
    login.close();
    guide.remove();
  });

  const claims = (): JWTPayload => ({ sub: "ann", iss: issuer, aud: "lake", exp: Date.now() / 1000 + 60 });
  const sign = (payload: JWTPayload, key = privateKey): Promise<string> =>
    new SignJWT(payload).setProtectedHeader({ alg: "ES256", kid: "1" }).sign(key);

  for (const runtime of names) {
    it(`lets in who has a valid token, and nobody else, on ${runtime}`, async () => {
      const { exp: _, ...forEver } = claims();
      const refused: Readonly<Record<string, string>> = {
        expired: await sign({ ...claims(), exp: Date.now() / 1000 - 60 }),
        "of another audience": await sign({ ...claims(), aud: "stream" }),
        "of another issuer": await sign({ ...claims(), iss: "http://elsewhere.test" }),
        "of another key": await sign(claims(), stranger.privateKey),
        "without an end": await sign(forEver),
        unsigned: new UnsecuredJWT(claims()).encode(),
        "no token at all": "opaque",
      };
      const writer = await sign({ ...claims(), sub: "bob", scope: "datasets:read datasets:write" });
      const reader = await sign(claims());

      await guide.serving("jwt-server.ts", { ISSUER: issuer }, runtime, async (url) => {
        const ask = (path: string, token?: string, method = "GET"): Promise<Response> =>
          fetch(`${url}${path}`, {
            method,
            headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
          });
        const anonymous = await ask("/whoami");
        assert.equal(anonymous.status, 401);
        assert.equal(anonymous.headers.get("www-authenticate"), 'Bearer realm="mesh"');
        for (const [what, token] of Object.entries(refused)) {
          const response = await ask("/whoami", token);
          assert.equal(response.status, 401, what);
          assert.match(response.headers.get("www-authenticate") ?? "", /error="invalid_token"/, what);
        }
        assert.deepEqual(await (await ask("/whoami", reader)).json(), { id: "ann" });
        assert.equal((await ask("/datasets/old", reader, "DELETE")).status, 403);
        assert.equal((await ask("/datasets/old", writer, "DELETE")).status, 204);
      });
    });
  }

  it("does not refuse a token because its issuer is down", async () => {
    const token = await sign(claims());
    await guide.serving("jwt-server.ts", { ISSUER: "http://127.0.0.1:1" }, "node", async (url) => {
      const headers = { authorization: `Bearer ${token}` };
      assert.equal((await fetch(`${url}/whoami`, { headers })).status, 503);
    });
  });
});
