import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Call } from "../../src/core/call.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import { faultOf as webFaultOf } from "../../src/runtime/web/fault.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { faultOf as workerdFaultOf } from "../../src/runtime/workerd/fault.ts";
import { createWorkerdRuntime } from "../../src/runtime/workerd/mod.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf } from "../rest/lake.ts";
import { echoRoutes, serveInProcess } from "../rpc/echo.ts";

const pem = { cert: "-----BEGIN CERTIFICATE-----", key: "-----BEGIN PRIVATE KEY-----", ca: "" };
const rpcOptions = {
  origin: "https://echo.test",
  tls: undefined,
  maxConnectionsPerEndpoint: 10,
  useBinaryFormat: true,
  maxMessageBytes: 1_000_000,
};

for (const create of [createWebRuntime, createWorkerdRuntime]) {
  const runtime = create();
  const { name } = runtime;

  describe(`the ${name} adapter`, () => {
    it("refuses an identity as PEM when the mesh is made, and names the alternative", () => {
      const alternative =
        name === "workerd"
          ? /mtls_certificates.*createWorkerdRuntime\(\{ fetch/
          : /createWebRuntime\(\{ fetch/;
      for (const run of [
        () => createMesh({ service: "edge", tls: pem, runtime }),
        () => runtime.openHttpTransport({ tls: pem, maxConnectionsPerEndpoint: 10 }),
        () => runtime.openRpcTransport({ ...rpcOptions, tls: pem, protocol: "connect" }),
      ]) {
        assert.throws(run, (error) => {
          assert.ok(isMeshError(error, "ERR_CAPABILITY"), String(error));
          assert.match(error.message, new RegExp(`^Cannot use tls: \\{ cert, key, ca \\} on ${name}`));
          assert.match(error.message, alternative);
          return true;
        });
      }
    });

    it("refuses to verify a server by anything but its address, and names the capability", async () => {
      const tls = { serverName: "lake.test" };
      assert.throws(
        () => createMesh({ service: "edge", runtime, policies: { lake: { tls } } }),
        (error) => isMeshError(error, "ERR_CAPABILITY") && /capability serverIdentity/.test(error.message),
      );
      assert.throws(
        () => runtime.openRpcTransport({ ...rpcOptions, server: tls, protocol: "connect" }),
        (error) => isMeshError(error, "ERR_CAPABILITY") && /capability serverIdentity/.test(error.message),
      );
      // Known with the endpoint alone.
      const resolver = staticResolver({ lake: [{ origin: "https://lake.test", tls }] });
      const mesh = createMesh({ service: "edge", runtime, resolver });
      const client = createClient(EchoService, mesh.transport("lake"));
      for (const call of [
        mesh.rest("lake").get("x"),
        mesh.fetch("mesh://lake/x"),
        client.echo({ text: "" }),
      ]) {
        assert.match(String(await errorOf(call)), /Cannot verify a server's tls.*capability serverIdentity/);
      }
      await mesh.close();
    });

    it("refuses to open a port, and names mesh.handler", async () => {
      const mesh = createMesh({ service: "edge", runtime });
      const listening = runtime.listen({
        hostname: "127.0.0.1",
        ports: { all: 0 },
        tls: undefined,
        fetch: () => new Response(),
        rpc: undefined,
        onConnectionError: () => {},
      });
      for (const refused of [listening, mesh.serve({ app: mesh.app(), port: 0 })]) {
        const error = await errorOf(refused);
        assert.ok(isMeshError(error, "ERR_CAPABILITY"));
        assert.match(error.message, new RegExp(`on ${name}: .*mesh\\.handler\\(`));
      }
    });

    it("refuses native gRPC, and names Connect", () => {
      assert.throws(
        () => runtime.openRpcTransport({ ...rpcOptions, protocol: "grpc" }),
        (error) =>
          isMeshError(error, "ERR_CAPABILITY") &&
          /on (?:web|workerd): .*use protocol "connect"/.test(error.message),
      );
      const mesh = createMesh({ service: "edge", runtime });
      assert.throws(
        () => mesh.transport("echo", { protocol: "grpc" }),
        /ERR_CAPABILITY|use protocol "connect"/,
      );
    });

    it("calls by REST and Connect through the fetch it was given", async () => {
      const server = serveInProcess();
      const urls: string[] = [];
      const mesh = createMesh({
        service: "edge",
        resolver: staticResolver({ echo: ["https://echo.test"] }),
        runtime: create({
          fetch: (url, init) => {
            urls.push(url);
            return url.endsWith("/plain")
              ? new Response("ok")
              : server.fetch(url, init as Parameters<typeof server.fetch>[1]);
          },
        }),
      });
      assert.equal(await mesh.rest("echo").get("plain").text(), "ok");
      for (const protocol of ["connect", "grpc-web"] as const) {
        const client = createClient(EchoService, mesh.transport("echo", { protocol }));
        assert.equal((await client.echo({ text: "hello" })).text, "hello");
      }
      assert.deepEqual(urls, [
        "https://echo.test/plain",
        `https://echo.test/${EchoService.typeName}/Echo`,
        `https://echo.test/${EchoService.typeName}/Echo`,
      ]);
    });

    it("speaks Connect when nobody says what to speak", async () => {
      const server = serveInProcess();
      const types: (string | null)[] = [];
      const mesh = createMesh({
        service: "edge",
        resolver: staticResolver({ echo: ["https://echo.test"] }),
        runtime: create({
          fetch: (url, init) => {
            types.push(new Headers(init.headers).get("content-type"));
            return server.fetch(url, init as Parameters<typeof server.fetch>[1]);
          },
        }),
      });
      await createClient(EchoService, mesh.transport("echo")).echo({ text: "hello" });
      assert.deepEqual(types, ["application/proto"]);
    });

    it("takes a refused RPC for what it is, not for a fault of the connection", () => {
      assert.equal(runtime.faultOf(new ConnectError("no", Code.NotFound)), undefined);
      assert.equal(runtime.faultOf(undefined), undefined);
      assert.equal(runtime.faultOf("Network connection lost."), undefined);
    });

    it("has no signals to listen to", () => {
      const stop = runtime.onSignals(["SIGTERM"], () => assert.fail("called"));
      assert.equal(stop(), undefined);
    });
  });
}

describe("a handler", () => {
  const fetchFrom = (mesh: Mesh): ((path: string, address: string) => Promise<number>) => {
    const app = mesh.app();
    app.get("/", (c) => c.text("ok"));
    const handler = mesh.handler({ app, routes: echoRoutes });
    return async (path, address) => {
      const headers = { "cf-connecting-ip": address, "content-type": "application/json" };
      const init = path === "/" ? { headers } : { method: "POST", headers, body: "{}" };
      return (await handler.fetch(new Request(`https://echo.test${path}`, init), { connection: "bound" }))
        .status;
    };
  };
  const rateLimit = { perMinute: 60, burst: 1 };
  const echo = `/${EchoService.typeName}/Echo`;

  it("believes no address in a header field, by REST or RPC", async () => {
    const statusFrom = fetchFrom(createMesh({ service: "edge", server: { rateLimit } }));
    assert.equal(await statusFrom("/", "1.1.1.1"), 200);
    assert.equal(await statusFrom("/", "2.2.2.2"), 429);
    assert.equal(await statusFrom(echo, "3.3.3.3"), 429);
  });

  it("believes the field that it is told to, by REST and RPC together", async () => {
    const server = { rateLimit, clientAddressHeader: "cf-connecting-ip" };
    const statusFrom = fetchFrom(createMesh({ service: "edge", server }));
    assert.equal(await statusFrom("/", "1.1.1.1"), 200);
    assert.equal(await statusFrom(echo, "1.1.1.1"), 429);
    assert.equal(await statusFrom(echo, "2.2.2.2"), 200);
  });
});

describe("faultOf() of the web adapter", () => {
  it("takes a network error for a fault that proves nothing, also as the cause of another", () => {
    const error = new TypeError("Failed to fetch");
    assert.equal(webFaultOf(error), "unknown");
    assert.equal(
      webFaultOf(new ConnectError("unavailable", Code.Unavailable, undefined, undefined, error)),
      "unknown",
    );
    assert.equal(webFaultOf(new DOMException("gone", "NetworkError")), "unknown");
  });

  it("leaves every other error alone, and a ring of causes does not hold it", () => {
    assert.equal(webFaultOf(new RangeError("x")), undefined);
    assert.equal(webFaultOf(new DOMException("enough", "AbortError")), undefined);
    const ring: Error & { cause?: unknown } = new Error("a");
    ring.cause = ring;
    assert.equal(webFaultOf(ring), undefined);
  });
});

describe("faultOf() of the workerd adapter", () => {
  it("knows what workerd says when a connection fails, and claims no more than that", () => {
    assert.equal(workerdFaultOf(new Error("Network connection lost.")), "reset");
    assert.equal(
      workerdFaultOf(new Error("internal error; reference = 4ku5p8jmo2unflkem4uvbuua")),
      "unknown",
    );
    const wrapped = new Error("failed", { cause: new Error("Network connection lost.") });
    assert.equal(workerdFaultOf(wrapped), "reset");
  });

  it("leaves a request that cannot be built alone", () => {
    assert.equal(workerdFaultOf(new TypeError("Invalid header value.")), undefined);
    assert.equal(workerdFaultOf(new Error("boom")), undefined);
  });
});

describe("the async context of the workerd adapter", () => {
  it("carries the call through awaits, each in its own branch", async () => {
    const { asyncContext, capabilities } = createWorkerdRuntime();
    // Every runtime of the suites has AsyncLocalStorage; without it the adapter says so in its table.
    assert.ok(asyncContext !== undefined);
    assert.equal(capabilities.asyncContext, true);
    const callOf = (service: string): Call =>
      new Call({ side: "server", protocol: "rest", service, operation: "GET /" });
    const seen = async (service: string): Promise<string | undefined> =>
      asyncContext.run(callOf(service), async () => {
        await Promise.resolve();
        return asyncContext.current()?.service;
      });
    assert.deepEqual(await Promise.all([seen("a"), seen("b")]), ["a", "b"]);
    assert.equal(asyncContext.current(), undefined);
  });
});
