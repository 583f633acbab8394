import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import type { TlsIdentity } from "../../../src/core/identity.ts";
import type { ListenOptions } from "../../../src/net/port.ts";
import { RawPeer } from "../../http/http2/http2-peer.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority } from "../../support/certificates.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  http1,
  openTcp,
  serve,
  signal,
  statusOf,
  type TestServer,
  untilClosed,
  within,
} from "./listener-fixture.ts";

const request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

describe("a listener's connections", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function listening(
    overrides: Partial<ListenOptions> = {},
  ): Promise<{ server: TestServer; clock: VirtualClock }> {
    const clock = new VirtualClock();
    const server = await serve(cleanup, () => new Response("ok"), { clock, ...overrides });
    return { server, clock };
  }

  /** Lets virtual time pass, while real sockets have their turns, until a promise settles. */
  async function passUntil<T>(clock: VirtualClock, promise: Promise<T>, limitMs: number): Promise<T> {
    let settled = false;
    promise.then(
      () => {
        settled = true;
      },
      () => {},
    );
    for (let passed = 0; passed <= limitMs && !settled; passed += 1_000) {
      await clock.advance(1_000);
      for (let turn = 0; turn < 20 && !settled; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    return within(promise, "what should have happened by now");
  }

  /** Sends, and gives what comes back until the end. */
  async function opened(port: number, bytes: string): Promise<{ socket: Socket; closed: Promise<string> }> {
    const socket = await openTcp(cleanup, port);
    const closed = untilClosed(socket);
    socket.write(bytes);
    // What was written before this was read before it: the loopback interface keeps the order of time.
    await http1(port);
    return { socket, closed };
  }

  it("that say nothing in the clear are ended after 10 s", async () => {
    const { server, clock } = await listening();
    const { closed } = await opened(server.port, "");
    await passUntil(clock, closed, 12_000);
  });

  it("that begin like HTTP/2 and go no further are ended after 10 s", async () => {
    const { server, clock } = await listening();
    const { closed } = await opened(server.port, "PR");
    await passUntil(clock, closed, 12_000);
  });

  it("that bring half a head are ended after 15 s with 408", async () => {
    const { server, clock } = await listening();
    const { closed } = await opened(server.port, "GET / HTTP/1.1\r\nhost:");
    assert.equal(statusOf(await passUntil(clock, closed, 18_000)), 408);
  });

  it("that are idle are ended after 75 s, and said so before", async () => {
    const { server, clock } = await listening();
    const { closed } = await opened(server.port, request);
    const text = await passUntil(clock, closed, 80_000);
    assert.match(text, /keep-alive: timeout=75/);
  });

  it("that are idle are kept for as long as is asked for, over HTTP/1.1 and HTTP/2", async () => {
    const { server, clock } = await listening({ limits: { idleTimeoutMs: 20_000 } });
    const { closed } = await opened(server.port, request);
    const peer = await RawPeer.open(cleanup, server.port);
    peer.get(1);
    await peer.response(1);
    const goodbye = passUntil(clock, peer.goodbye(), 30_000);
    assert.match(await closed, /keep-alive: timeout=20\r/);
    await goodbye;
  });

  it("that are too many from one address are closed as they come, and told of", async () => {
    const { server } = await listening({ limits: { maxConnectionsPerAddress: 2 } });
    const first = await openTcp(cleanup, server.port);
    const second = await openTcp(cleanup, server.port);
    const answered = within(new Promise((resolve) => second.once("data", resolve)), "a response");
    second.write(request);
    await answered;
    const third = await openTcp(cleanup, server.port);
    await untilClosed(third);
    assert.equal((await server.nextError()).kind, "limit");
    first.destroy();
    await untilClosed(first);
    // The place of the one that left is free again, as soon as the server has noticed.
    for (let attempt = 0; ; attempt++) {
      const response = await http1(server.port).catch(() => undefined);
      if (response?.text === "ok") break;
      assert.ok(attempt < 1_000, "no place became free");
    }
  });

  it("that are too many in all are closed as they come", async () => {
    const { server } = await listening({ limits: { maxConnections: 1 } });
    await openTcp(cleanup, server.port);
    await untilClosed(await openTcp(cleanup, server.port));
  });

  it("of HTTP/1.1 take no new requests when they are old", async () => {
    const { server, clock } = await listening({ limits: { maxConnectionAgeMs: 60_000 } });
    const { closed } = await opened(server.port, request);
    await passUntil(clock, closed, 62_000);
    const gone = signal();
    const slow = await serve(cleanup, () => gone.promise.then(() => new Response("finished")), {
      clock,
      limits: { maxConnectionAgeMs: 60_000 },
    });
    const socket = await openTcp(cleanup, slow.port);
    const busy = untilClosed(socket);
    socket.write(request);
    for (let turn = 0; slow.listener.inFlight === 0; turn++) {
      assert.ok(turn < 10_000, "the request should have come");
      await new Promise((resolve) => setImmediate(resolve));
    }
    await clock.advance(62_000);
    gone.fire();
    const text = await within(busy, "the response");
    assert.match(text, /connection: close[\s\S]*finished/);
  });

  it("of HTTP/2 get a GOAWAY when they are old", async () => {
    const { server, clock } = await listening({ limits: { maxConnectionAgeMs: 60_000 } });
    const peer = await RawPeer.open(cleanup, server.port);
    peer.get(1);
    await peer.response(1);
    await passUntil(clock, peer.goodbye(), 64_000);
  });

  it("end with what is open on them when the grace is over", async () => {
    const clock = new VirtualClock();
    const server = await serve(cleanup, () => new Promise<never>(() => {}), {
      clock,
      limits: { maxConnectionAgeMs: 60_000, maxConnectionAgeGraceMs: 30_000 },
    });
    const socket = await openTcp(cleanup, server.port);
    const closed = untilClosed(socket);
    socket.write(request);
    const peer = await RawPeer.open(cleanup, server.port);
    peer.get(1);
    for (let turn = 0; server.listener.inFlight < 2; turn++) {
      assert.ok(turn < 10_000, "both requests should have come");
      await new Promise((resolve) => setImmediate(resolve));
    }
    await clock.advance(84_000);
    assert.equal(server.listener.inFlight, 2);
    await passUntil(clock, Promise.all([closed, peer.goodbye()]), 10_000);
    assert.equal(server.listener.inFlight, 0);
  });

  describe("over TLS", unless("mtlsServer"), () => {
    async function secured(): Promise<{ server: TestServer; clock: VirtualClock; tls: TlsIdentity }> {
      const authority = await createAuthority();
      const tls = await authority.issue({ commonName: "lake", dns: ["localhost"] });
      return { ...(await listening({ tls: { ...tls, clientAuth: "none" } })), tls };
    }

    it("that never begin their handshake, or stop in it, are ended after 10 s", async () => {
      const { server, clock } = await secured();
      const silent = await openTcp(cleanup, server.port);
      const half = await openTcp(cleanup, server.port);
      const closed = Promise.all([untilClosed(silent), untilClosed(half)]);
      // The beginning of a ClientHello.
      half.write(Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01));
      await passUntil(clock, closed, 12_000);
    });

    it("that are done with it have the limits of all others", async () => {
      const { server, clock, tls } = await secured();
      const { connect } = await import("node:tls");
      const open = (bytes: string): Promise<string> => {
        const socket = connect({ port: server.port, host: "127.0.0.1", servername: "localhost", ca: tls.ca });
        cleanup.add(() => socket.destroy());
        socket.on("error", () => {});
        const shaken = new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
        socket.once("secureConnect", () => socket.write(bytes));
        shaking.push(shaken);
        return untilClosed(socket);
      };
      const shaking: Promise<void>[] = [];
      const silent = open("");
      const half = open("GET / HTTP/1.1\r\nhost:");
      const idle = open(request);
      await within(Promise.all(shaking), "three handshakes");
      await passUntil(clock, Promise.all([silent, half, idle]), 90_000);
      assert.equal(statusOf(await half), 408);
      assert.equal(statusOf(await idle), 200);
    });
  });
});
