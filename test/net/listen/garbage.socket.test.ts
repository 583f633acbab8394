import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import {
  http1,
  http2,
  openHttp2,
  openTcp,
  raw,
  serve,
  settled,
  statusOf,
  type TestServer,
  within,
} from "./listener-fixture.ts";

describe("what is no request", unless("listen"), () => {
  const cleanup = new Cleanup();
  let server: TestServer;
  before(async () => {
    server = await serve(cleanup, (request) => {
      // Large where a test breaks off, so that the response is still on its way then.
      return new Response(new URL(request.url).pathname === "/" ? "x".repeat(1_000_000) : "plain text");
    });
  });
  after(() => cleanup.run());

  for (const [what, request] of [
    ["no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n"],
    ["a host with a path in it", "GET /x HTTP/1.1\r\nhost: a/admin?\r\n\r\n"],
    ["a host with a user in it", "GET /x HTTP/1.1\r\nhost: user@a\r\n\r\n"],
    ["a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"],
    ["no HTTP", "hello there, are you a server?\r\n\r\n"],
    ["two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
  ] as const) {
    it(`refuses ${what} with 400`, async () => {
      assert.equal(statusOf(await raw(cleanup, server.port, request)), 400);
      assert.equal((await http1(server.port, { path: "/text" })).text, "plain text");
    });
  }

  it("refuses headers beyond the limit with 431", async () => {
    const big = `GET / HTTP/1.1\r\nhost: a\r\nx-big: ${"y".repeat(20_000)}\r\n\r\n`;
    assert.equal(statusOf(await raw(cleanup, server.port, big)), 431);
    assert.equal((await http1(server.port, { path: "/text" })).text, "plain text");
  });

  it("refuses an HTTP/2 host that is none with 400", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const { status } = await http2(session, { ":path": "/x", ":authority": "999.999.999.999" });
    assert.equal(status, 400);
  });

  it("survives an HTTP/2 preface with garbage behind it", async () => {
    const noise = "nonsense where a frame of settings should be";
    await raw(cleanup, server.port, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${noise}`);
    assert.equal((await http1(server.port, { path: "/text" })).text, "plain text");
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    assert.equal((await http2(session, { ":path": "/text" })).text, "plain text");
  });

  it("takes a preface that arrives byte by byte", async () => {
    const socket = await openTcp(cleanup, server.port);
    const first = within(new Promise<Buffer>((resolve) => socket.once("data", resolve)), "settings");
    for (const byte of Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0", "latin1")) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // A SETTINGS frame: its type is the fourth byte.
    assert.equal((await first)[3], 4);
  });

  it("is not moved by connections that break off anywhere", async () => {
    const starts = [
      "",
      "P",
      "PRI * HT",
      "GET / HT",
      "GET / HTTP/1.1\r\nhost: a\r\n",
      "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nten bytes.",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0",
    ];
    for (const start of starts) {
      const socket = await openTcp(cleanup, server.port);
      await new Promise((resolve) => socket.write(start, "latin1", resolve));
      socket.resetAndDestroy();
    }
    assert.equal(await settled(server), 0);
  });
});
