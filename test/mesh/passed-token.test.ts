import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { type ClientLayer, callKey, type ServerLayer, staticTokens, withHeaders } from "../../mod.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import type { MeshLayers } from "../../src/mesh/layers.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { unless } from "../support/capability.ts";
import { echoLake } from "./echo-lake.ts";

const authorization = callKey<string | undefined>("authorization", undefined);

const keepToken: ServerLayer = (next) => (call, request) => {
  call.set(authorization, request.headers.get("authorization") ?? undefined);
  return next(call, request);
};

const passToken: ClientLayer = (next) => (call, request) => {
  const token = call.get(authorization);
  if (call.service !== "lake" || token === undefined) return next(call, request);
  return next(call, withHeaders(request, { authorization: token }));
};

/** What other services are told when a handler calls them for somebody who has shown a token. */
async function toldBy(layers: MeshLayers): Promise<readonly Headers[]> {
  const told: Headers[] = [];
  const serve = echoLake();
  const mesh = createMesh({
    service: "gateway",
    runtime: {
      ...createWebRuntime({
        fetch: (url, init) => {
          const request = new Request(url, init);
          told.push(request.headers);
          return serve(request);
        },
      }),
      asyncContext: runtime.asyncContext,
    },
    resolver: staticResolver({ lake: ["http://lake.test"], other: ["http://other.test"] }),
    server: { auth: { validate: staticTokens({ secret: "ann" }) } },
    layers,
  });
  const app = mesh.app();
  app.get("/", async (c) => {
    await mesh.rest("lake").get("x").text();
    await createClient(EchoService, mesh.transport("lake")).echo({});
    await (await mesh.fetch("mesh://lake/x")).text();
    await mesh.rest("lake").get("x", { parent: null }).text();
    await mesh.rest("other").get("x").text();
    await (await mesh.fetch("http://outside.test/")).text();
    return c.text("done");
  });
  const response = await app.request("/", { headers: { authorization: "Bearer secret" } });
  assert.equal(await response.text(), "done");
  return told;
}

describe("The token of a request that is served", unless("asyncContext"), () => {
  it("goes to no other service by itself, nor does anything else that names the caller", async () => {
    const told = await toldBy({});
    assert.equal(told.length, 6);
    for (const headers of told) {
      assert.doesNotMatch(JSON.stringify([...headers]), /secret|ann/);
    }
  });

  it("goes where layers pass it on, in REST and RPC, and nowhere else", async () => {
    const told = await toldBy({ server: { handler: [keepToken] }, client: { call: [passToken] } });
    assert.deepEqual(
      told.map((headers) => headers.get("authorization")),
      ["Bearer secret", "Bearer secret", "Bearer secret", null, null, null],
    );
  });
});
