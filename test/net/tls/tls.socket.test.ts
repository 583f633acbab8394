import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { PeerIdentity, TlsIdentity } from "../../../src/core/identity.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority, type TestAuthority } from "../../support/certificates.ts";
import {
  foreignSession,
  http1,
  http2,
  openHttp2,
  serve,
  type TestServer,
  within,
} from "../listen/listener-fixture.ts";

/** One HTTPS request over HTTP/1.1. */
function https1(port: number, tls: Partial<TlsIdentity>): Promise<string> {
  const answer = new Promise<string>((resolve, reject) => {
    const request = httpsRequest({ host: "localhost", port, agent: false, ...tls }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end();
  });
  return within(answer, "an HTTPS response");
}

describe("mutual TLS", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  let authority: TestAuthority;
  let server: TestServer;
  let lake: TlsIdentity;
  let strangers: Record<string, Partial<TlsIdentity>>;
  before(async () => {
    authority = await createAuthority();
    const other = await createAuthority();
    lake = await authority.issue({
      commonName: "lake",
      organization: "Datapunk",
      dns: ["lake.test", "localhost"],
      ip: ["10.0.0.7", "fd00::1"],
      uri: ["spiffe://datapunk.test/lake"],
      email: ["lake@datapunk.test"],
    });
    strangers = {
      "without a certificate": { ca: authority.ca },
      "with one of another authority": { ...(await other.issue({ commonName: "lake" })), ca: authority.ca },
      "with one that calls its authority by the same name": {
        ...(await (await createAuthority("Test CA")).issue()),
        ca: authority.ca,
      },
      "with an expired one": await authority.issue({ expired: true }),
    };
    server = await serve(
      cleanup,
      (_request, connection) =>
        Response.json({ peer: connection.peer ?? null, encrypted: connection.encrypted }),
      { tls: { ...(await authority.issue({ commonName: "server" })), clientAuth: "require" } },
    );
  });
  after(() => cleanup.run());

  const expected: Omit<PeerIdentity, "fingerprint256"> = {
    subject: "O=Datapunk,CN=lake",
    commonName: "lake",
    subjectAltNames: {
      dns: ["lake.test", "localhost"],
      uri: ["spiffe://datapunk.test/lake"],
      ip: ["10.0.0.7", "fd00::1"],
      email: ["lake@datapunk.test"],
    },
    spiffeId: "spiffe://datapunk.test/lake",
  };
  function check(peer: PeerIdentity | undefined): void {
    assert.ok(peer, "there is no peer");
    const { fingerprint256, ...rest } = peer;
    assert.deepEqual(rest, expected);
    assert.match(fingerprint256, /^[0-9a-f]{64}$/);
  }

  it("shows REST handlers who calls, over HTTP/1.1 and HTTP/2", async () => {
    const first = JSON.parse(await https1(server.port, lake));
    check(first.peer);
    assert.equal(first.encrypted, true);
    const session = openHttp2(cleanup, `https://localhost:${server.port}`, lake);
    const second = JSON.parse((await http2(session, { ":path": "/" })).text);
    check(second.peer);
    assert.equal(second.peer.fingerprint256, first.peer.fingerprint256);
  });

  it("shows it to RPC handlers, in gRPC and Connect", async () => {
    const baseUrl = `https://localhost:${server.port}`;
    for (const transport of [
      createGrpcTransport(foreignSession(cleanup, baseUrl, { ...lake })),
      createConnectTransport(foreignSession(cleanup, baseUrl, { ...lake })),
    ]) {
      server.pipeline.requests.length = 0;
      const client = createClient(EchoService, transport);
      assert.equal((await within(client.echo({ text: "hello" }), "a response")).text, "hello");
      check(server.pipeline.requests[0]?.connection.peer);
    }
  });

  it("reads it once for a connection", async () => {
    const baseUrl = `https://localhost:${server.port}`;
    server.pipeline.requests.length = 0;
    const client = createClient(
      EchoService,
      createGrpcTransport(foreignSession(cleanup, baseUrl, { ...lake })),
    );
    await within(client.echo({ text: "1" }), "a response");
    await within(client.echo({ text: "2" }), "a response");
    const [first, second] = server.pipeline.requests;
    assert.equal(first?.connection, second?.connection);
    assert.equal(first?.connection.peer, second?.connection.peer);
  });

  for (const who of [
    "without a certificate",
    "with one of another authority",
    "with one that calls its authority by the same name",
    "with an expired one",
  ]) {
    it(`refuses clients ${who} in the handshake, over HTTP/1.1`, async () => {
      server.errors.length = 0;
      await assert.rejects(https1(server.port, strangers[who] as TlsIdentity));
      assert.equal((await server.nextError()).kind, "tls");
      check(JSON.parse(await https1(server.port, lake)).peer);
    });

    it(`refuses clients ${who} in the handshake, over HTTP/2`, async () => {
      server.errors.length = 0;
      const session = openHttp2(cleanup, `https://localhost:${server.port}`, strangers[who]);
      await assert.rejects(http2(session, { ":path": "/" }));
      assert.equal((await server.nextError()).kind, "tls");
    });
  }

  it("refuses clients that speak in the clear", async () => {
    server.errors.length = 0;
    await assert.rejects(http1(server.port));
    assert.equal((await server.nextError()).kind, "tls");
  });

  it("drains like a port in the clear", async () => {
    const own = await serve(cleanup, () => new Response("answered"), {
      tls: { ...(await authority.issue({ commonName: "server" })), clientAuth: "require" },
    });
    const session = openHttp2(cleanup, `https://localhost:${own.port}`, lake);
    const closed = within(
      new Promise<void>((resolve) => session.once("close", () => resolve())),
      "the close",
    );
    assert.equal((await http2(session, { ":path": "/" })).text, "answered");
    assert.equal(await https1(own.port, lake), "answered");
    await within(own.listener.drain(), "the drain");
    await closed;
    await within(own.listener.destroy(), "the end");
    await assert.rejects(https1(own.port, lake));
  });
});

describe("TLS that asks for certificates and takes none for granted", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());

  it("shows only identities that were verified", async () => {
    const authority = await createAuthority();
    const other = await createAuthority();
    const server = await serve(
      cleanup,
      (_request, connection) => new Response(connection.peer?.commonName ?? "nobody"),
      { tls: { ...(await authority.issue()), clientAuth: "request" } },
    );
    const { ca } = authority;
    const who = async (tls: Partial<TlsIdentity>): Promise<string[]> => [
      await https1(server.port, tls),
      (await http2(openHttp2(cleanup, `https://localhost:${server.port}`, tls), { ":path": "/" })).text,
    ];
    assert.deepEqual(await who({ ca }), ["nobody", "nobody"]);
    assert.deepEqual(await who(await authority.issue({ commonName: "lake" })), ["lake", "lake"]);
    assert.deepEqual(await who({ ...(await other.issue({ commonName: "mallory" })), ca }), [
      "nobody",
      "nobody",
    ]);
    assert.deepEqual(await who(await authority.issue({ commonName: "old", expired: true })), [
      "nobody",
      "nobody",
    ]);
  });
});
