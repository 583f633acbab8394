import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { afterEach, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import type { TlsIdentity } from "../../src/core/identity.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { MeshOptions, ServeOptions, Server, TransportOptions } from "../../src/mesh/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { http2, openHttp2, raw } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { closeAll, deadOrigin, until } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { createAuthority, type TestAuthority } from "../support/certificates.ts";
import { type RecordingLogger, recordingLogger } from "../telemetry/recording-logger.ts";

describe("what a mesh with open ports tells its logger", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  let authority: TestAuthority;
  let lake: TlsIdentity;
  before(async () => {
    authority = await createAuthority();
    lake = await authority.issue({ commonName: "lake" });
  });
  afterEach(async () => {
    await cleanup.run();
    await closeAll();
  });

  async function serve(
    options: Partial<MeshOptions> = {},
    port: Pick<ServeOptions, "port" | "ports"> = { port: 0 },
  ): Promise<RecordingLogger & { readonly server: Server }> {
    const recorded = recordingLogger();
    const mesh = createMesh({
      service: "lake",
      server: { rateLimit: false },
      logger: recorded.logger,
      logging: { level: "debug" },
      ...options,
    });
    const app = mesh.app();
    app.get("/", (c) => c.text("ok"));
    const server = await mesh.serve({ app, routes: echoRoutes, hostname: "127.0.0.1", ...port });
    cleanup.add(() => server.close({ force: true }));
    return { ...recorded, server };
  }

  function call(origin: string, options: Partial<MeshOptions> = {}, each: TransportOptions = {}) {
    const recorded = recordingLogger();
    const mesh = createMesh({
      service: "gateway",
      resolver: staticResolver({ lake: [origin] }),
      policies: { lake: { retry: false } },
      logger: recorded.logger,
      logging: { level: "debug", access: { calls: true } },
      ...options,
    });
    cleanup.add(() => mesh.close());
    const echo = createClient(EchoService, mesh.transport("lake", each));
    return { ...recorded, mesh, echo, close: () => mesh.close() };
  }

  it("connections that open and close, on both sides, and every request on them", async () => {
    const { server, of } = await serve();
    for (const each of [{ protocol: "grpc" }, { protocol: "connect" }, { protocol: "grpc-web" }] as const) {
      const client = call(server.url, {}, each);
      assert.equal((await client.echo.echo({ text: "a" })).text, "a");
      const opened = client.of("connection-opened");
      assert.deepEqual(
        opened.map(({ side, remote, httpVersion, encrypted }) => [side, remote, httpVersion, encrypted]),
        [["client", server.url, "2", false]],
      );
      await client.close();
      await until(() => client.of("connection-closed").length === 1, "the end of the connection");
    }
    await until(() => of("connection-closed").length === 3, "the end of the connections");
    assert.deepEqual(
      of("connection-opened").map(({ side, remote, httpVersion }) => [side, remote, httpVersion]),
      Array.from({ length: 3 }, () => ["server", "127.0.0.1", "2"]),
    );
    assert.deepEqual(
      of("request").map(({ protocol, code, remote, httpVersion }) => [protocol, code, remote, httpVersion]),
      ["grpc", "connect", "grpc-web"].map((protocol) => [protocol, "ok", "127.0.0.1", "2"]),
    );
  });

  it("connections of HTTP/1.1, by RPC", async () => {
    const { server } = await serve();
    const client = call(server.url, {}, { protocol: "connect", httpVersion: "1.1" });
    await client.echo.echo({ text: "a" });
    assert.deepEqual(
      client.of("connection-opened").map(({ httpVersion }) => httpVersion),
      ["1.1"],
    );
    await client.close();
    await until(() => client.of("connection-closed").length === 1, "the end of the connection");
  });

  it("connections of REST, where the runtime does not connect by fetch", async () => {
    const { server, of } = await serve();
    const client = call(server.url);
    assert.equal(await client.mesh.rest("lake").get("").text(), "ok");
    const dead = call(await deadOrigin());
    await assert.rejects(dead.mesh.rest("lake").get("").text());
    const byFetch = runtime.name === "bun";
    for (const [{ lines }, type] of [
      [client, "connection-opened"],
      [dead, "connection-failed"],
    ] as const) {
      const told = lines.filter(({ fields }) => String(fields.event).startsWith("connection"));
      assert.deepEqual(
        told.map(({ fields }) => fields.event),
        byFetch ? [] : [type],
      );
    }
    await until(() => of("request").length === 1, "the request's line");
    const [{ status, responseBytes, httpVersion } = {}] = of("request");
    assert.deepEqual([status, responseBytes, httpVersion], [200, 2, "1.1"]);
  });

  it("a connection that cannot be made, once for each try", async () => {
    const origin = await deadOrigin();
    for (const each of [{ protocol: "grpc" }, { protocol: "connect", httpVersion: "1.1" }] as const) {
      const client = call(origin, {}, each);
      await assert.rejects(client.echo.echo({ text: "a" }));
      await until(() => client.of("connection-failed").length > 0, "the failure");
      const [line, ...more] = client.lines.filter(({ fields }) => fields.event === "connection-failed");
      assert.deepEqual(more, []);
      assert.equal(line?.level, "warn");
      assert.deepEqual(
        [line?.fields.side, line?.fields.remote, line?.fields.reason],
        ["client", origin, "refused"],
      );
      const [made] = client.of("call");
      assert.deepEqual([made?.code, made?.outcome], ["unavailable", "transport_refused"]);
    }
  });

  it("TLS handshakes that fail: the reason, and who it was", async () => {
    const { server, lines, of } = await serve({ tls: lake });
    const origin = `https://localhost:${server.port}`;
    const stranger = await (await createAuthority()).issue();
    const clients = {
      untrusting: call(origin, { tls: stranger }),
      expired: call(origin, { tls: await authority.issue({ expired: true }) }),
    };
    for (const client of Object.values(clients)) {
      const before = of("tls-failed").length;
      await assert.rejects(client.echo.echo({ text: "a" }));
      await until(() => of("tls-failed").length > before, "the server to tell");
      // By TLS 1.3 a client has a connection before the server has looked at its certificate.
      const ended = (): unknown => client.of("tls-failed")[0] ?? client.of("connection-closed")[0];
      await until(() => ended() !== undefined, "the client to tell");
      const { side, remote } = ended() as Record<string, unknown>;
      assert.deepEqual([side, remote], ["client", origin]);
    }
    assert.equal(clients.untrusting.of("tls-failed").length, 1);
    for (const failed of of("tls-failed")) {
      assert.deepEqual([failed.side, failed.remote], ["server", "127.0.0.1"]);
      assert.match(String((failed.error as { message?: string }).message), /\S/);
    }
    assert.equal(lines.find(({ fields }) => fields.event === "tls-failed")?.level, "warn");
  });

  it("a handshake of a client without a certificate, and of one that speaks no TLS", async () => {
    const { server, of } = await serve({ tls: lake });
    const request = httpsRequest({ host: "localhost", port: server.port, agent: false, ca: authority.ca });
    const failed = new Promise((resolve) => request.once("error", resolve));
    request.end();
    await failed;
    await until(() => of("tls-failed").length === 1, "the server to tell");
    await raw(cleanup, server.port, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").catch(() => {});
    await until(() => of("tls-failed").length === 2, "the server to tell");
    assert.deepEqual(
      of("tls-failed").map(({ remote }) => remote),
      ["127.0.0.1", "127.0.0.1"],
    );
  });

  it("requests that are too malformed to be served", async () => {
    const { server, of } = await serve();
    await raw(cleanup, server.port, "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n");
    await raw(cleanup, server.port, "G\u0001T / HTTP/1.1\r\n\r\n");
    await until(() => of("connection-failed").length + of("request-refused").length === 2, "both to be told");
    for (const line of [...of("connection-failed"), ...of("request-refused")])
      assert.equal(line.remote, "127.0.0.1");
  });

  it("requests of REST on the port of gRPC", async () => {
    const { server, of } = await serve({}, { ports: { rest: 0, grpc: 0 } });
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.ports.grpc}`);
    assert.equal((await http2(session, { ":path": "/" })).status, 404);
    await until(() => of("request-refused").length === 1, "the refusal");
    const [{ remote, method, status } = {}] = of("request-refused");
    assert.deepEqual([remote, method, status], ["127.0.0.1", "GET", 404]);
  });

  it("the beginning and the end of a drain, once", async () => {
    const { server, lines, of } = await serve();
    const closing = server.close();
    await server.close();
    await closing;
    await until(() => of("drain-ended").length > 0, "the end");
    const drains = lines.filter(({ fields }) => String(fields.event).startsWith("drain"));
    assert.deepEqual(
      drains.map(({ level, fields }) => [level, fields.event, fields.port]),
      [
        ["info", "drain-started", server.port],
        ["info", "drain-ended", server.port],
      ],
    );
    assert.equal(typeof drains[1]?.fields.durationMs, "number");
  });

  it("says nothing of connections from info on, but for those that fail", async () => {
    const { server, lines, of } = await serve({ logging: {} });
    const client = call(server.url, { logging: {} });
    await client.echo.echo({ text: "a" });
    await until(() => of("request").length === 1, "the request's line");
    assert.equal(lines.length, 1);
    assert.deepEqual(
      client.lines.map(({ fields }) => fields.event),
      ["endpoint-up"],
    );
  });
});
