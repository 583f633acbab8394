import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { limits } from "../../../src/net/listen/listener-limits.ts";
import {
  http1,
  openTcp,
  type RawResponse,
  raw,
  serve,
  statusOf,
  untilClosed,
} from "../../net/listen/listener-fixture.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";

const last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/** The heads of what came, and what is no head. */
function partsOf(text: string): string[] {
  return text.split(/(?=HTTP\/1\.1 )/).map((part) => part.replace(/^(HTTP\/1\.1 \d+)(?:.+\r\n)+\r\n/, "$1 "));
}

describe("HTTP/1.1 on a socket", unless("listen"), () => {
  for (const type of ["application/connect+json", "application/json", "application/grpc-web+proto"]) {
    it(`sends no body for HEAD, whoever responds (${type})`, async () => {
      const cleanup = new Cleanup();
      try {
        const { port, listener } = await serve(cleanup, () => new Response("ok"));
        for (const path of ["/nobody.Knows/It", "/datapunk.mesh.test.v1.EchoService/Echo"]) {
          const head = `HEAD ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\n\r\n`;
          const [first, second, ...more] = partsOf(await raw(cleanup, port, head + last));
          assert.match(first ?? "", /^HTTP\/1\.1 \d+ $/);
          assert.deepEqual([second, more], ["HTTP/1.1 200 ok", []]);
        }
        assert.equal(listener.inFlight, 0);
      } finally {
        await cleanup.run();
      }
    });
  }

  it("sees what proxies before it see, or nothing", async () => {
    const cleanup = new Cleanup();
    try {
      const { port } = await serve(cleanup, ({ method, url }) => new Response(`${method} ${url}`));
      const respondedTo = async (line: string, host = "a"): Promise<number> =>
        statusOf(await raw(cleanup, port, `${line} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`));
      for (const [line, status, host] of [
        ["GET /a#b", 400],
        ["GET /public/..\\secret", 400],
        ["GET /a?b=\\", 200],
        ["GET http://good/", 400, "b@d"],
        ["GET http://good/", 200, "other"],
        ["get /", 501],
        ["Head /", 501],
        ["CONNECT a:1", 405],
        ["PROPFIND /", 200],
      ] as const) {
        assert.equal(await respondedTo(line, host), status, `${line} (${host})`);
      }
    } finally {
      await cleanup.run();
    }
  });

  for (const hostname of ["::", "::1", "127.0.0.1"]) {
    it(`serves an HTTP/1.0 client that names no host (on ${hostname})`, async () => {
      const cleanup = new Cleanup();
      try {
        const { port } = await serve(cleanup, ({ url }) => new Response(url), { hostname });
        const to = hostname === "::1" ? "::1" : "127.0.0.1";
        const text = await raw(cleanup, port, "GET / HTTP/1.0\r\n\r\n", to);
        assert.match(text, /^HTTP\/1\.1 200/);
        assert.ok(text.endsWith(`http://${to === "::1" ? "[::1]" : to}:${port}/`), text);
      } finally {
        await cleanup.run();
      }
    });
  }

  it("gives every refusal a date, and no length that is none", async () => {
    const cleanup = new Cleanup();
    try {
      const headers = { "content-length": "abc" };
      const { port } = await serve(cleanup, () => new Response(null, { status: 304, headers }));
      assert.match(await raw(cleanup, port, "GET /\r\n\r\n"), /^HTTP\/1\.1 400 (?:.+\r\n)*date: /);
      assert.doesNotMatch(await raw(cleanup, port, last), /content-length/);
    } finally {
      await cleanup.run();
    }
  });

  it("responds at once to a call that fails before its body was asked for", async () => {
    const cleanup = new Cleanup();
    try {
      const { port } = await serve(cleanup, () => new Response("ok"));
      const socket = await openTcp(cleanup, port);
      const text = untilClosed(socket);
      const waits: unknown[] = [];
      const { setTimeout } = globalThis;
      cleanup.add(() => Object.assign(globalThis, { setTimeout }));
      Object.assign(globalThis, {
        setTimeout: (callback: () => void, ms: number) => {
          waits.push(ms);
          return setTimeout(callback, ms);
        },
      });
      socket.write(
        "POST /datapunk.mesh.test.v1.EchoService/Echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n" +
          "content-encoding: odd\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n",
      );
      await new Promise((resolve) => socket.once("data", resolve));
      assert.deepEqual(
        waits.filter((ms) => ms === limits.earlyMs),
        [],
        "nobody waits for what is not asked for",
      );
      socket.end();
      assert.match(await text, /^HTTP\/1\.1 [45]\d\d (?:.*\r\n)*connection: close/);
    } finally {
      await cleanup.run();
    }
  });

  it("tells whether a body was used, and of which type it is, however it was read", async () => {
    const cleanup = new Cleanup();
    try {
      const { port } = await serve(cleanup, async (request) => {
        const seen: unknown[] = [request.bodyUsed];
        if (request.url.endsWith("/blob")) seen.push((await request.blob()).type);
        else if (request.url.endsWith("/cancel")) await request.body?.cancel();
        else {
          const reader = request.body!.getReader();
          seen.push(request.bodyUsed);
          await reader.read();
        }
        return Response.json([...seen, request.bodyUsed]);
      });
      const post = (path: string): Promise<RawResponse> =>
        http1(port, { path, method: "POST", body: "x", headers: { "content-type": "text/x" } });
      assert.equal((await post("/blob")).text, '[false,"text/x",true]');
      assert.equal((await post("/cancel")).text, "[false,true]");
      assert.equal((await post("/reader")).text, "[false,false,true]");
    } finally {
      await cleanup.run();
    }
  });

  it("passes a field on that is called like something that every object has", async () => {
    const cleanup = new Cleanup();
    try {
      const { port } = await serve(cleanup, ({ headers }) => {
        const response = new Response("ok");
        for (const [name, value] of headers) response.headers.append(name, value);
        return response;
      });
      const text = await raw(cleanup, port, last.replace("host", "constructor: x\r\nhost"));
      assert.match(text, /\r\nconstructor: x\r\n/);
    } finally {
      await cleanup.run();
    }
  });

  it("sends the whole of a long response to a client that ends its side after its request", async () => {
    const cleanup = new Cleanup();
    try {
      const { port, listener } = await serve(cleanup, () => new Response("x".repeat(20_000_000)));
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      cleanup.add(() => socket.destroy());
      const closed = untilClosed(socket);
      socket.pause();
      socket.end("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      // The end has come when a request that was sent after it has been responded to.
      await http1(port, { method: "HEAD" });
      socket.resume();
      assert.equal((await closed).length > 20_000_000, true);
      assert.equal(listener.inFlight, 0);
    } finally {
      await cleanup.run();
    }
  });
});
