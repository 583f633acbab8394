import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { CorsOptions } from "../../src/serve/cors.ts";
import { serverFixture } from "./fixture.ts";

const origin = "https://app.example";

function preflight(from: string): RequestInit {
  return {
    method: "OPTIONS",
    headers: {
      origin: from,
      "access-control-request-method": "PUT",
      "access-control-request-headers": "content-type,x-own",
    },
  };
}

function corsFields(response: Response): Record<string, string> {
  return Object.fromEntries(
    [...response.headers].filter(([name]) => name.startsWith("access-control-") || name === "vary"),
  );
}

const appWith = (cors: CorsOptions) => {
  const made = serverFixture({ auth: { validate: staticTokens({ t: "ann" }) }, cors });
  made.app.put("/", (c) => c.text("ok"));
  made.app.get("/", (c) => c.text("ok"));
  return made;
};

describe("CORS", () => {
  it("responds to a preflight before security, under a name of its own in the metrics", async () => {
    const { app, count } = appWith({ origins: [origin] });
    const response = await app.request("/", preflight(origin));
    assert.equal(response.status, 204);
    assert.deepEqual(corsFields(response), {
      "access-control-allow-headers": "content-type,x-own",
      "access-control-allow-methods": "GET, HEAD, PUT, POST, PATCH, DELETE",
      "access-control-allow-origin": origin,
      "access-control-max-age": "600",
      vary: "origin, access-control-request-headers",
    });
    assert.equal(await count({ operation: "preflight", outcome: "ok" }), 1);
  });

  it("gives a strange origin no permission, neither in a preflight nor in a response", async () => {
    const { app } = appWith({ origins: [origin] });
    const headers = { authorization: "Bearer t", origin: "https://evil.example" };
    for (const response of [
      await app.request("/", preflight("https://evil.example")),
      await app.request("/", { headers }),
    ]) {
      assert.deepEqual(corsFields(response), { vary: "origin" });
    }
  });

  it("lets pages read responses, refusals included", async () => {
    const { app } = appWith({ origins: [origin] });
    for (const authorization of ["Bearer t", "Bearer wrong"]) {
      const response = await app.request("/", { headers: { authorization, origin } });
      assert.equal(response.status, authorization === "Bearer t" ? 200 : 401);
      assert.deepEqual(corsFields(response), {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "x-request-id, retry-after, ratelimit",
        vary: "origin",
      });
    }
  });

  it("adds to the vary that a handler set", async () => {
    const { app } = appWith({ origins: [origin] });
    app.get("/varied", (c) => c.text("ok", 200, { vary: "accept" }));
    const response = await app.request("/varied", { headers: { authorization: "Bearer t" } });
    assert.equal(response.headers.get("vary"), "accept, origin");
  });

  it("is open to all with a star, and depends on nothing then", async () => {
    const { app } = appWith({ origins: "*", exposeHeaders: [] });
    const response = await app.request("/", { headers: { authorization: "Bearer t", origin } });
    assert.deepEqual(corsFields(response), { "access-control-allow-origin": "*" });
  });

  it("asks a function, and follows the other options", async () => {
    const { app } = appWith({
      origins: (sentRequest) => sentRequest.endsWith(".example"),
      methods: ["PUT"],
      headers: ["content-type"],
      credentials: true,
      maxAgeSeconds: 5,
    });
    assert.deepEqual(corsFields(await app.request("/", preflight(origin))), {
      "access-control-allow-credentials": "true",
      "access-control-allow-headers": "content-type",
      "access-control-allow-methods": "PUT",
      "access-control-allow-origin": origin,
      "access-control-max-age": "5",
      vary: "origin",
    });
    assert.deepEqual(corsFields(await app.request("/", preflight("https://evil.test"))), { vary: "origin" });
  });

  it("leaves an OPTIONS request that is no preflight to the routes", async () => {
    const { app } = appWith({ origins: [origin] });
    app.options("/", (c) => c.text("options"));
    const response = await app.request("/", { method: "OPTIONS", headers: { authorization: "Bearer t" } });
    assert.equal(await response.text(), "options");
  });

  it("refuses options that make no sense", () => {
    assert.throws(() => appWith({ origins: "*", credentials: true }), /list the origins/);
    assert.throws(() => appWith({} as never), /origins is missing/);
    assert.throws(() => appWith({ origins: "*", maxAgeSeconds: -1 }), RangeError);
  });
});
