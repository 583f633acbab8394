import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { createMesh, staticResolver } from "../../../mod.ts";
import { isTransportError, type TransportFault } from "../../../src/core/errors.ts";
import type { TlsIdentity } from "../../../src/core/identity.ts";
import type { Mesh, TransportOptions } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { errorOf } from "../../rest/lake.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { listenOn } from "../../rpc/client/grpc-fixture.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority, type TestAuthority } from "../../support/certificates.ts";
import { within } from "../listen/listener-fixture.ts";

/** What can happen to a connection before its TLS handshake is through. */
const spoils: [string, (socket: Socket) => void][] = [
  ["is reset in its handshake", (socket) => socket.once("data", () => socket.resetAndDestroy())],
  ["ends in its handshake", (socket) => socket.once("data", () => socket.destroy())],
];

describe("a request that was never sent, because its connection", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());
  let authority: TestAuthority;
  before(async () => {
    authority = await createAuthority();
  });

  /** A service behind a way on which the first connection is spoiled, and how often it was reached. */
  async function serveBehind(spoil: (socket: Socket) => void, identity: TlsIdentity) {
    const reached = { count: 0 };
    const mesh = createMesh({ service: "lake", tls: identity, server: { rateLimit: false } });
    const app = mesh.app().post("/x", (c) => {
      reached.count++;
      return c.text("done");
    });
    const server = await mesh.serve({
      app,
      hostname: "127.0.0.1",
      port: 0,
      routes: (router) =>
        router.service(EchoService, {
          echo: ({ text }) => {
            reached.count++;
            return { text };
          },
        }),
    });
    cleanup.add(() => server.close({ force: true }));
    let connections = 0;
    const proxy = createServer((socket) => {
      socket.on("error", () => {});
      if (connections++ === 0) {
        spoil(socket);
        return;
      }
      const upstream = connect(server.port, "127.0.0.1");
      upstream.on("error", () => {});
      cleanup.add(() => upstream.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    const origin = await listenOn(cleanup, proxy, "https");
    return { origin, reached };
  }

  async function callerOf(origin: string, options: { readonly retry?: false } = {}): Promise<Mesh> {
    const mesh = createMesh({
      service: "gateway",
      tls: await authority.issue(),
      resolver: staticResolver({ lake: [origin] }),
      policies: { lake: { breaker: false, ...options } },
    });
    cleanup.add(() => mesh.close());
    return mesh;
  }

  for (const [name, spoil] of spoils) {
    it(`${name}, is repeated although it is a POST`, async () => {
      const { origin, reached } = await serveBehind(spoil, await authority.issue());
      const mesh = await callerOf(origin);
      const text = mesh.rest("lake").post("x", { json: 1 }).text();
      if (runtime.name === "bun") {
        // Its fetch has one error for all ends of a connection, which proves nothing.
        assert.ok(isTransportError(await within(errorOf(text), "the error")));
        assert.equal(reached.count, 0);
        return;
      }
      assert.equal(await within(text, "the response"), "done");
      assert.equal(reached.count, 1);
    });

    const kinds: TransportOptions[] = [
      { protocol: "grpc" },
      { protocol: "connect" },
      { protocol: "connect", httpVersion: "1.1" },
      { protocol: "grpc-web", httpVersion: "1.1" },
    ];
    for (const options of kinds) {
      it(`${name}, is repeated although it may not be: ${options.protocol} over HTTP/${options.httpVersion ?? "2"}`, async () => {
        const { origin, reached } = await serveBehind(spoil, await authority.issue());
        const mesh = await callerOf(origin);
        const client = createClient(EchoService, mesh.transport("lake", options));
        assert.equal((await within(client.echo({ text: "hi" }), "the response")).text, "hi");
        assert.equal(reached.count, 1);
      });
    }
  }

  for (const httpVersion of ["1.1", "2"] as const) {
    it(`shows a wrong certificate, tells that the service does not live: HTTP/${httpVersion}`, async () => {
      const identity = await authority.issue({ dns: ["elsewhere.test"], ip: [] });
      const { origin } = await serveBehind((socket) => socket.destroy(), identity);
      const mesh = await callerOf(origin, { retry: false });
      const transport = mesh.transport("lake", { protocol: "connect", httpVersion });
      // The first connection is spoiled, the second gets as far as the certificate.
      for (let turn = 0; turn < 2; turn++) {
        const { live, ready, status } = await within(transport.health(), "the health");
        assert.deepEqual({ live, ready, status }, { live: false, ready: false, status: "unreachable" });
      }
    });
  }
});

describe("the fault of an error", unless("listen"), () => {
  it("says that nothing was sent when it was the connecting that failed", () => {
    const of = (code: string, syscall?: string): TransportFault | undefined =>
      runtime.faultOf(Object.assign(new Error(code), { code, ...(syscall && { syscall }) }));
    const neverStarted: TransportFault = "never-started";
    for (const code of ["ECONNRESET", "ECONNABORTED", "ETIMEDOUT", "EMFILE"]) {
      assert.equal(of(code, "connect"), neverStarted, code);
    }
    assert.equal(of("ECONNREFUSED", "connect"), "refused");
    assert.equal(of("EHOSTUNREACH", "connect"), "unreachable");
    assert.equal(of("ECONNRESET", "read"), "reset");
    assert.equal(of("ECONNRESET", "write"), "reset");
    assert.equal(of("ETIMEDOUT", "read"), "unknown");
    assert.equal(of("EMFILE", "open"), undefined);
  });

  it("says so for what Bun's fetch says of connecting", () => {
    const of = (code: string, message: string): TransportFault | undefined =>
      runtime.faultOf(Object.assign(new TypeError(`${code}: ${message}`), { code }));
    const typo = "Was there a typo in the url or port?";
    const closed = "The socket connection was closed unexpectedly.";
    for (const code of ["ETIMEDOUT", "ECONNRESET", "ECONNABORTED"]) {
      assert.equal(of(code, typo), "never-started", code);
      assert.notEqual(of(code, closed), "never-started", code);
    }
    assert.equal(of("ENETUNREACH", typo), "unreachable");
    assert.equal(of("FailedToOpenSocket", typo), "unreachable");
    assert.equal(
      of("ConnectionRefused", "Unable to connect. Is the computer able to access the url?"),
      "refused",
    );
  });
});
