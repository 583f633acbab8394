import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, cors as connectCors, createClient } from "@connectrpc/connect";
import { createSource } from "../../src/core/source.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { MeshOptions } from "../../src/mesh/options.ts";
import { createFetchRpcTransport } from "../../src/rpc/client/fetch-rpc-transport.ts";
import type { RpcProtocol } from "../../src/rpc/dialect/rpc-protocol.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { CorsOptions } from "../../src/serve/cors.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes, errorOf } from "../rpc/echo.ts";
import { metricValue } from "../support/metric-value.ts";
import { type BrowserPage, browserFetch, type Send } from "./browser-fetch.ts";

const own: BrowserPage = { origin: "https://app.example" };
const strange: BrowserPage = { origin: "https://evil.example" };
const cors: CorsOptions = { origins: [own.origin] };
const asAnn = { authorization: "Bearer token", "x-tenant": "blue" };
const echo = `https://mesh.test/${EchoService.typeName}/Echo`;
const json = { "content-type": "application/json" };
const preflight: RequestInit = {
  method: "OPTIONS",
  headers: {
    origin: own.origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-own",
  },
};

/** A mesh behind its fetch handler. */
function served(server: ServerOptions, more: Partial<MeshOptions> = {}) {
  const errors: unknown[] = [];
  const mesh = createMesh({
    service: "shop",
    server: { rateLimit: false, ...server },
    onError: (error) => errors.push(error),
    ...more,
  });
  const app = mesh.app().get("/text", (c) => c.text("ok"));
  const handler = mesh.handler({ app, routes: echoRoutes });
  const send: Send = (request) => handler.fetch(request);
  return {
    errors,
    send,
    ask: async (url: string, init?: RequestInit) => await send(new Request(url, init)),
    count: async (labels: Record<string, string>) =>
      (await metricValue(mesh.metrics, "mesh_server_requests_total", labels)) ?? 0,
  };
}

/** A client of a dialect, in a page. */
function clientIn(page: BrowserPage, send: Send, protocol: RpcProtocol, useHttpGet = false) {
  const { transport } = createFetchRpcTransport({
    fetch: browserFetch(page, send) as never,
    options: { origin: "https://mesh.test", protocol, useHttpGet },
  });
  return createClient(EchoService, transport);
}

function namesIn(response: Response, field: string): string[] {
  const text = response.headers.get(field) ?? "";
  return text === "" ? [] : text.split(",").map((each) => each.trim());
}

describe("CORS of a mesh, for RPCs,", () => {
  for (const protocol of ["connect", "grpc-web"] as const) {
    it(`lets a page of an allowed origin call by ${protocol}, with a token, streams included`, async () => {
      const { send, count } = served({
        auth: { validate: staticTokens({ token: "ann" }) },
        cors: { ...cors, exposeHeaders: ["x-echo-header", "x-echo-trailer"] },
      });
      const client = clientIn(own, send, protocol);
      const metadata = new Headers();
      const response = await client.echo(
        { text: "hello" },
        {
          headers: asAnn,
          timeoutMs: 5_000,
          onHeader: (header) => metadata.set("header", header.get("x-echo-header") ?? ""),
          onTrailer: (trailer) => metadata.set("trailer", trailer.get("x-echo-trailer") ?? ""),
        },
      );
      assert.deepEqual([response.text, ...metadata.values()], ["hello", "hello", "hello"]);
      const texts: string[] = [];
      for await (const { text } of client.expand({ text: "a", count: 2 }, { headers: asAnn }))
        texts.push(text);
      assert.deepEqual(texts, ["a", "a"]);
      assert.equal(await count({ operation: "preflight", protocol: "connect", outcome: "ok" }), 2);
    });

    it(`keeps a page of another origin from calling by ${protocol}`, async () => {
      const { send, count } = served({ cors });
      const error = await errorOf(clientIn(strange, send, protocol).echo({ text: "a" }));
      assert.match(error.message, /access-control-allow-origin is null/);
      assert.equal(await count({ operation: `${EchoService.typeName}/Echo` }), 0);
    });

    it(`lets a page see why a call by ${protocol} was refused`, async () => {
      const { send } = served({
        auth: { validate: staticTokens({ token: "ann" }) },
        rateLimit: { perMinute: 1, burst: 1 },
        cors,
      });
      const client = clientIn(own, send, protocol);
      assert.equal((await errorOf(client.echo({ text: "a" }))).code, Code.Unauthenticated);
      assert.equal((await client.echo({ text: "a" }, { headers: asAnn })).text, "a");
      const limited = await errorOf(client.echo({ text: "a" }, { headers: asAnn }));
      assert.equal(limited.code, Code.ResourceExhausted);
      assert.equal(limited.metadata.get("retry-after"), "60");
      const failed = await errorOf(
        clientIn(own, served({ cors }).send, protocol).echo({ text: "gone", fail: Code.NotFound }),
      );
      assert.deepEqual([failed.code, failed.rawMessage], [Code.NotFound, "gone"]);
    });
  }

  it("lets a page call by GET, without a preflight", async () => {
    const { send, count } = served({ cors });
    assert.equal((await clientIn(own, send, "connect", true).get({ text: "a" })).text, "a");
    const blocked = await errorOf(clientIn(strange, send, "connect", true).get({ text: "a" }));
    assert.match(blocked.message, /Failed to fetch/);
    assert.equal(await count({ operation: `${EchoService.typeName}/Get` }), 2);
  });

  it("is the same for REST and RPC, and says so to unknown paths as well", async () => {
    const { send } = served({ cors });
    const fetch = browserFetch(own, send);
    assert.equal(await (await fetch("https://mesh.test/text", { headers: asAnn })).text(), "ok");
    for (const [type, status] of [
      ["application/json", 404],
      ["application/grpc-web+proto", 200],
    ] as const) {
      const headers = { "content-type": type };
      const response = await fetch(`${echo}Missing`, { method: "POST", body: "", headers });
      assert.equal(response.status, status, type);
    }
  });

  it("takes nothing from limits for a preflight, and asks no token for it", async () => {
    const { ask, count } = served({
      auth: { validate: staticTokens({ token: "ann" }) },
      rateLimit: { perMinute: 1, burst: 1 },
      peerLimit: { perMinute: 1, burst: 1 },
      maxConcurrent: 1,
      cors,
    });
    for (let times = 0; times < 5; times++) assert.equal((await ask(echo, preflight)).status, 204);
    const call = { method: "POST", headers: { ...json, ...asAnn }, body: '{"text":"a"}' };
    assert.equal((await ask(echo, call)).status, 200);
    assert.equal(await count({ operation: "preflight", outcome: "ok" }), 5);
  });

  it("responds to a preflight with what the protocols need", async () => {
    const { ask } = served({ cors: { ...cors, methods: ["PUT"], headers: ["x-tenant"] } });
    const response = await ask(echo, preflight);
    assert.equal(await response.text(), "");
    assert.deepEqual(namesIn(response, "access-control-allow-methods"), ["POST", "GET"]);
    assert.equal(response.headers.get("access-control-max-age"), "600");
    assert.equal(response.headers.get("vary"), "origin");
    const allowed = namesIn(response, "access-control-allow-headers");
    for (const name of [...connectCors.allowedHeaders, "x-tenant"]) {
      assert.ok(allowed.includes(name.toLowerCase()), name);
    }
    const called = await ask(echo, { method: "POST", headers: { ...json, origin: own.origin }, body: "{}" });
    const exposed = namesIn(called, "access-control-expose-headers");
    for (const name of [...connectCors.exposedHeaders, "x-request-id", "retry-after"]) {
      assert.ok(exposed.includes(name.toLowerCase()), name);
    }
  });

  it("gives a preflight of another origin no permission", async () => {
    const { ask } = served({ cors });
    const headers = { ...(preflight.headers as Record<string, string>), origin: strange.origin };
    const response = await ask(echo, { method: "OPTIONS", headers });
    assert.deepEqual([response.status, [...response.headers]], [204, [["vary", "origin"]]]);
  });

  it("lets credentials along where it is told to, and only then", async () => {
    const page: BrowserPage = { ...own, credentials: true };
    for (const credentials of [true, false]) {
      const { send } = served({ cors: { ...cors, credentials } });
      const result = clientIn(page, send, "connect").echo({ text: "a" });
      if (credentials) assert.equal((await result).text, "a");
      else assert.match((await errorOf(result)).message, /no credentials/);
    }
  });

  it("is open to all with a star, and depends on nothing then", async () => {
    const { send, ask } = served({ cors: { origins: "*" } });
    assert.equal((await clientIn(strange, send, "grpc-web").echo({ text: "a" })).text, "a");
    const called = await ask(echo, { method: "POST", headers: { ...json, origin: own.origin }, body: "{}" });
    assert.deepEqual(
      [called.headers.get("access-control-allow-origin"), called.headers.get("vary")],
      ["*", null],
    );
  });

  it("tells caches that a response depends on the origin, also one to nobody's page, and tells it once", async () => {
    const { ask } = served({ cors });
    for (const origin of [undefined, own.origin, strange.origin]) {
      const headers = origin === undefined ? json : { ...json, origin };
      const response = await ask(echo, { method: "POST", headers, body: "{}" });
      assert.equal(response.headers.get("vary"), "origin");
      assert.equal(response.headers.get("access-control-allow-credentials"), null);
    }
  });

  it("follows a change of the server's options", async () => {
    const options = createSource<ServerOptions>({ rateLimit: false });
    const { send } = served({}, { server: options });
    const client = clientIn(own, send, "connect");
    await errorOf(client.echo({ text: "a" }));
    options.set({ rateLimit: false, cors });
    assert.equal((await client.echo({ text: "a" })).text, "a");
    options.set({ rateLimit: false });
    await errorOf(client.echo({ text: "a" }));
  });

  it("serves a call, without permission for pages, when the function that decides on origins throws", async () => {
    const { ask, errors } = served({
      cors: {
        origins: () => {
          throw new Error("broken");
        },
      },
    });
    const headers = { ...json, origin: own.origin };
    const response = await ask(echo, { method: "POST", headers, body: '{"text":"a"}' });
    assert.deepEqual([response.status, response.headers.get("access-control-allow-origin")], [200, null]);
    assert.equal((await ask(echo, preflight)).status, 500);
    assert.deepEqual(errors.map(String), ["Error: broken", "Error: broken"]);
  });

  it("lets a page read why native gRPC is not served by a fetch handler", async () => {
    const { send } = served({ cors });
    const headers = { "content-type": "application/grpc" };
    const response = await browserFetch(own, send)(echo, { method: "POST", headers, body: "" });
    assert.equal(response.status, 415);
    assert.match(await response.text(), /use Connect or gRPC-Web/);
  });

  it("does nothing where it is not asked for", async () => {
    const { ask } = served({});
    assert.equal((await ask(echo, preflight)).status, 405);
    const response = await ask(echo, {
      method: "POST",
      headers: { ...json, origin: own.origin },
      body: "{}",
    });
    assert.equal(response.headers.get("vary"), null);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
  });

  it("leaves to the protocol an OPTIONS request that is no preflight", async () => {
    const { ask } = served({ cors });
    assert.equal((await ask(echo, { method: "OPTIONS", headers: { origin: own.origin } })).status, 405);
  });
});
