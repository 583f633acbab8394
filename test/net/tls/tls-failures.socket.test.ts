import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { runtime } from "#runtime";
import { isTransportError, type TlsReason } from "../../../src/core/errors.ts";
import type { TlsOptions } from "../../../src/core/identity.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { listenOn } from "../../rpc/client/grpc-fixture.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority, type TestAuthority } from "../../support/certificates.ts";
import { http1, http2, openHttp2, serve, signal, within } from "../listen/listener-fixture.ts";
import { caller, faultOf, serveLake, ways } from "./tls-fixture.ts";

const date = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;

describe("A client whose TLS fails", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());
  let mesh: TestAuthority;
  let other: TestAuthority;
  before(async () => {
    mesh = await createAuthority("Mesh CA");
    other = await createAuthority("Other CA");
  });

  interface Case {
    readonly server: () => Promise<TlsOptions | undefined>;
    readonly clientAuth?: "none" | "require";
    readonly client?: () => Promise<TlsOptions | undefined>;
    readonly scheme?: "http";
    readonly reason: TlsReason;
    readonly text: RegExp;
  }
  const cases: Readonly<Record<string, Case>> = {
    "the server's certificate has expired": {
      server: () => mesh.issue({ commonName: "lake", expired: true }),
      reason: "expired",
      text: new RegExp(`: the server's certificate \\(CN=lake\\) expired on ${date}$`),
    },
    "the server's certificate is not valid yet": {
      server: () => mesh.issue({ uri: ["spiffe://mesh.test/lake"], early: true }),
      reason: "not-yet-valid",
      text: new RegExp(`certificate \\(spiffe://mesh.test/lake\\) is not valid before ${date}$`),
    },
    "nobody knows the server's authority": {
      server: async () => ({ ...(await other.issue({ commonName: "lake" })), ca: mesh.ca }),
      reason: "unknown-authority",
      text: /certificate \(CN=lake\) was issued by CN=Other CA, which is no authority that is trusted here; add/,
    },
    "the server's certificate is for another name": {
      server: () => mesh.issue({ dns: ["lake.test"], ip: ["10.0.0.7"] }),
      reason: "wrong-name",
      text: /certificate is for lake\.test, 10\.0\.0\.7, not for 127\.0\.0\.1; call it by a name that it has/,
    },
    "the server demands a certificate": {
      server: () => mesh.issue(),
      client: async () => ({ ca: mesh.ca }),
      reason: "certificate-required",
      text: /: the server demands a client's certificate and was given none; give the mesh one/,
    },
    "the client's certificate has expired": {
      server: () => mesh.issue(),
      client: () => mesh.issue({ commonName: "gateway", expired: true }),
      reason: "certificate-refused",
      text: new RegExp(`: the server refused our certificate \\(CN=gateway\\): expired on ${date}$`),
    },
    "the server speaks plain HTTP": {
      server: async () => undefined,
      reason: "plaintext",
      text: /: this port speaks plain HTTP; use http:\/\/127\.0\.0\.1:\d+$/,
    },
    "the server expects TLS": {
      server: () => mesh.issue(),
      clientAuth: "none",
      scheme: "http",
      reason: "tls-required",
      text: /: this port expects TLS; use https:\/\/127\.0\.0\.1:\d+$/,
    },
  };

  for (const [what, { server, client, clientAuth, scheme = "https", reason, text }] of Object.entries(
    cases,
  )) {
    for (const [way, call] of Object.entries(ways)) {
      it(`says so, by ${way}: ${what}`, async () => {
        const tls = await server();
        const { port, reached } = await serveLake(
          cleanup,
          tls,
          clientAuth === undefined ? {} : { clientAuth },
        );
        const own = client === undefined ? await mesh.issue() : await client();
        const origin = `${scheme}://127.0.0.1:${port}`;
        const error = await faultOf(call(caller(cleanup, origin, own)));
        assert.deepEqual(
          [error.tlsReason, error.message.match(text)?.index !== undefined],
          [reason, true],
          error.message,
        );
        assert.ok(error.message.includes(origin), error.message);
        assert.equal(reached.count, 0);
      });
    }
  }

  for (const [way, call] of Object.entries(ways)) {
    it(`says so, by ${way}: the server speaks no version that is allowed`, async () => {
      const old = createTlsServer({ ...(await mesh.issue()), maxVersion: "TLSv1.2" });
      const origin = await listenOn(cleanup, old, "https");
      const error = await faultOf(call(caller(cleanup, origin, { ca: mesh.ca, minVersion: "TLSv1.3" })));
      assert.equal(error.tlsReason, "no-common-version", error.message);
      assert.match(error.message, /speaks no version of TLS that is allowed here \(TLSv1\.3 or newer\)/);
    });

    it(`does not take a connection that breaks off for a wrong certificate, by ${way}`, async () => {
      const origin = await listenOn(
        cleanup,
        createServer((socket) => socket.on("error", () => {}).once("data", () => socket.destroy())),
        "https",
      );
      const error = await faultOf(call(caller(cleanup, origin, await mesh.issue())));
      assert.equal(error.tlsReason, undefined, error.message);
    });
  }

  it("is not repeated where there is no other endpoint, and is where there is one", async () => {
    const bad = await serveLake(cleanup, await mesh.issue({ expired: true }));
    const good = await serveLake(cleanup, await mesh.issue());
    const own = await mesh.issue();
    const retries = { retry: { maxAttempts: 5, backoff: () => 0 } };
    for (const [way, call] of Object.entries(ways)) {
      const events: string[] = [];
      const note = (event: { readonly type: string }): void => void events.push(event.type);
      const alone = caller(cleanup, `https://127.0.0.1:${bad.port}`, own, retries, note);
      assert.equal((await faultOf(call(alone))).tlsReason, "expired", way);
      assert.equal(events.filter((type) => type === "endpoint-picked").length, 1, `${way}: ${events.join()}`);
      const both = caller(
        cleanup,
        [`https://127.0.0.1:${bad.port}`, `https://127.0.0.1:${good.port}`],
        own,
        retries,
      );
      for (let turn = 0; turn < 8; turn++) assert.equal(await call(both), "done", way);
    }
  });

  it("is told of by an event with the reason, on both sides", async () => {
    for (const [way, call] of Object.entries(ways)) {
      const told: Record<string, TlsReason | undefined> = {};
      const { promise, fire } = signal();
      const note = (event: { readonly type: string }): void => {
        if (event.type !== "tls-failed") return;
        const { side, error } = event as { readonly side: string; readonly error: unknown } & typeof event;
        assert.ok(isTransportError(error), String(error));
        told[side] = error.tlsReason;
        if (side === "server") fire();
      };
      const { port } = await serveLake(cleanup, await mesh.issue(), {}, note);
      await faultOf(call(caller(cleanup, `https://127.0.0.1:${port}`, { ca: mesh.ca }, undefined, note)));
      await within(promise, "the server's event");
      assert.equal(told.server, "certificate-required", way);
      // Where the platform's `fetch` connects, nobody is told; and the end of a connection may come before its reason.
      if (told.client !== undefined) assert.equal(told.client, "certificate-required", way);
    }
  });

  it("is never repeated where the client's own certificate is to blame", async () => {
    const server = await mesh.issue();
    const lakes = [await serveLake(cleanup, server), await serveLake(cleanup, server)];
    const own = { ca: mesh.ca };
    for (const [way, call] of Object.entries(ways)) {
      const events: string[] = [];
      const note = (event: { readonly type: string }): void => void events.push(event.type);
      const origins = lakes.map(({ port }) => `https://127.0.0.1:${port}`);
      const client = caller(cleanup, origins, own, { retry: { maxAttempts: 5, backoff: () => 0 } }, note);
      assert.equal((await faultOf(call(client))).tlsReason, "certificate-required", way);
      assert.equal(events.filter((type) => type === "endpoint-picked").length, 1, `${way}: ${events.join()}`);
    }
  });
});

describe("A server whose TLS fails", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());
  let authority: TestAuthority;
  let stranger: TestAuthority;
  before(async () => {
    authority = await createAuthority("Mesh CA");
    stranger = await createAuthority("Other CA");
  });

  async function toldOf(
    tls: boolean,
    call: (port: number) => Promise<unknown>,
  ): Promise<{ reason: TlsReason | undefined; message: string }> {
    const options = tls ? { tls: { ...(await authority.issue()), clientAuth: "require" as const } } : {};
    const server = await serve(cleanup, () => new Response("x"), options);
    await assert.rejects(call(server.port));
    const { kind, error } = await server.nextError();
    assert.equal(kind, "tls");
    assert.ok(isTransportError(error), String(error));
    return { reason: error.tlsReason, message: error.message };
  }
  const byHttp2 = (tls: TlsOptions) => (port: number) =>
    http2(openHttp2(cleanup, `https://localhost:${port}`, tls as object), { ":path": "/" });

  it("tells of a client that speaks in the clear", async () => {
    const { reason, message } = await toldOf(true, (port) => http1(port));
    assert.equal(reason, "plaintext");
    assert.match(
      message,
      /^Cannot accept a connection.*: it speaks no TLS, and this port expects it; clients must/,
    );
  });

  it("tells of a client that speaks TLS to a port in the clear", async () => {
    const { reason, message } = await toldOf(false, byHttp2({ ca: authority.ca }));
    assert.equal(reason, "tls-required");
    assert.match(message, /from 127\.0\.0\.1: it began a TLS handshake, and this port speaks plain HTTP/);
  });

  it("tells of a client without a certificate", async () => {
    const { reason, message } = await toldOf(true, byHttp2({ ca: authority.ca }));
    assert.equal(reason, "certificate-required");
    assert.match(message, /it showed no certificate, and clientAuth is "require"/);
  });

  it("tells of a client's certificate that has expired, as far as the runtime tells it from others", async () => {
    const { reason } = await toldOf(true, byHttp2(await authority.issue({ expired: true })));
    assert.equal(reason, runtime.name === "deno" ? "unknown-authority" : "expired");
  });

  it("tells of a client's certificate of another authority", async () => {
    const { reason } = await toldOf(true, byHttp2({ ...(await stranger.issue()), ca: authority.ca }));
    assert.equal(reason, "unknown-authority");
  });
});
