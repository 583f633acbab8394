import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { createMesh } from "../../../src/mesh/mesh.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import {
  http1,
  http2,
  openHttp2,
  openTcp,
  raw,
  serve,
  type TestServer,
  untilClosed,
  within,
} from "./listener-fixture.ts";

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
}

/** A stream that fails after these chunks. */
function failing(...chunks: string[]): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream({
    async pull(controller) {
      const next = left.shift();
      if (next === undefined) throw new Error("the source failed");
      // Not all at once: what was enqueued before an error is lost with it.
      await new Promise((resolve) => setImmediate(resolve));
      controller.enqueue(new TextEncoder().encode(next));
    },
  });
}

const used = new Response(streamOf("used"));

const responses: Readonly<Record<string, () => Response | Promise<Response>>> = {
  "/plain": () => new Response("plain"),
  "/longer": () => new Response(streamOf("12345", "678"), { headers: { "content-length": "5" } }),
  "/longer-piece": () => new Response(streamOf("12345678"), { headers: { "content-length": "5" } }),
  "/shorter": () => new Response(streamOf("123"), { headers: { "content-length": "5" } }),
  "/no-number": () => new Response(streamOf("12345"), { headers: { "content-length": "about five" } }),
  "/early": () => new Response(failing(), { status: 206 }),
  "/late": () => new Response(failing("a piece"), { status: 206 }),
  "/no-bytes": () =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(7 as never) })),
  "/used": () => used,
  "/locked": () => {
    const response = new Response(streamOf("x"));
    response.body?.getReader();
    return response;
  },
  "/error": () => Response.error(),
  "/nothing": () => undefined as never,
  "/hostile": () =>
    new Proxy({} as Response, {
      get: () => {
        throw new Error("no property");
      },
    }),
  "/async-throw": async () => {
    throw undefined;
  },
};

describe("a response that is not as it should be", unless("listen"), () => {
  const cleanup = new Cleanup();
  let server: TestServer;
  before(async () => {
    server = await serve(cleanup, (request) => {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/header")
        return new Response("x", { headers: { "x-y": searchParams.get("value") ?? "" } });
      if (pathname === "/fetched") return fetch(searchParams.get("from") ?? "");
      return responses[pathname]!();
    });
  });
  after(() => cleanup.run());

  /** What comes back for a request and one behind it on the same connection. */
  async function pipelined(path: string): Promise<string> {
    return raw(
      cleanup,
      server.port,
      `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\nGET /plain HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
    );
  }

  async function isServing(): Promise<void> {
    assert.equal((await http1(server.port, { path: "/plain" })).text, "plain");
    assert.equal(server.listener.inFlight, 0);
  }

  for (const path of ["/longer", "/longer-piece"]) {
    it(`is cut at the length that it declares (HTTP/1.1, ${path})`, async () => {
      const before = server.handlerErrors.length;
      const text = await pipelined(path);
      // Only a proper response may follow.
      assert.match(text, /\r\n\r\n12345(HTTP\/1\.1 200 OK\r\n[\s\S]*plain)?$/);
      assert.match(String(server.handlerErrors[before]), /longer than its Content-Length/);
      await isServing();
    });

    it(`is cut at the length that it declares (HTTP/2, ${path})`, async () => {
      const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
      assert.equal((await http2(session, { ":path": path })).text, "12345");
      assert.equal((await http2(session, { ":path": "/plain" })).text, "plain");
    });
  }

  it("is broken off when it is shorter than it declares", async () => {
    const before = server.handlerErrors.length;
    const text = await pipelined("/shorter");
    assert.doesNotMatch(text, /plain/);
    assert.match(String(server.handlerErrors[before]), /ends 2 bytes before its Content-Length/);
    await assert.rejects(http1(server.port, { path: "/shorter" }));
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    await assert.rejects(http2(session, { ":path": "/shorter" }));
    assert.equal((await http2(session, { ":path": "/plain" })).text, "plain");
    await isServing();
  });

  it("loses a length that is no number", async () => {
    assert.equal((await http1(server.port, { path: "/no-number" })).text, "12345");
  });

  for (const path of [
    "/early",
    "/used-again",
    "/locked",
    "/error",
    "/nothing",
    "/hostile",
    "/async-throw",
    "/no-bytes",
  ]) {
    it(`is a 500 when nothing of it can be sent (${path})`, async () => {
      const before = server.handlerErrors.length;
      const wanted = path === "/used-again" ? "/used" : path;
      // A response that is returned twice can be sent once.
      if (wanted === "/used") assert.equal((await http1(server.port, { path: "/used" })).text, "used");
      assert.equal((await http1(server.port, { path: wanted })).status, 500);
      const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
      assert.equal((await http2(session, { ":path": wanted })).status, 500);
      assert.equal(server.handlerErrors.length, before + 2);
      await isServing();
    });
  }

  it("never looks complete when its source fails later", async () => {
    const before = server.handlerErrors.length;
    await assert.rejects(http1(server.port, { path: "/late" }));
    const text = await raw(cleanup, server.port, "GET /late HTTP/1.1\r\nhost: a\r\n\r\n");
    assert.match(text, /^HTTP\/1.1 206 [\s\S]*a piece/);
    assert.doesNotMatch(text, /\r\n0\r\n\r\n/);
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    await assert.rejects(http2(session, { ":path": "/late" }));
    assert.equal((await http2(session, { ":path": "/plain" })).text, "plain");
    assert.match(String(server.handlerErrors[before]), /the source failed/);
    await isServing();
  });

  it("ends an HTTP/1.0 connection with a reset, not as its length would", async () => {
    const socket = await openTcp(cleanup, server.port);
    let reset = false;
    socket.on("error", (error: Error & { code?: string }) => {
      reset = error.code === "ECONNRESET";
    });
    const closed = untilClosed(socket);
    socket.write("GET /late HTTP/1.0\r\n\r\n");
    await closed;
    assert.equal(reset, true);
  });

  it("passes on what fetch has decoded without its old length and coding", async () => {
    const body = "hello ".repeat(1_000);
    const upstream = createServer((_, response) => {
      const bytes = gzipSync(body);
      response.writeHead(200, {
        "content-encoding": "gzip",
        "content-length": bytes.length,
        "x-from": "upstream",
      });
      response.end(bytes);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    cleanup.add(() => upstream.close());
    const from = encodeURIComponent(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`);
    const { text, headers } = await http1(server.port, { path: `/fetched?from=${from}` });
    assert.equal(text, body);
    assert.equal(headers["content-encoding"], undefined);
    assert.equal(headers["x-from"], "upstream");
    // The chain sets headers of its own, and what fetch returned is copied for that.
    const mesh = createMesh({ service: "gateway" });
    const app = mesh.app();
    app.get("/", () => fetch(decodeURIComponent(from)));
    const gateway = await mesh.serve({ app, hostname: "127.0.0.1", port: 0 });
    cleanup.add(() => gateway.close({ force: true }));
    const passed = await http1(gateway.port);
    assert.equal(passed.text, body);
    assert.equal(passed.headers["content-encoding"], undefined);
  });

  it("is a 500 when a header holds a control character that Headers lets through", async () => {
    for (const value of ["%01", "%1b", "%7f"]) {
      assert.equal((await http1(server.port, { path: `/header?value=a${value}b` })).status, 500);
    }
    await isServing();
  });

  it("with a message for 100-continue comes when nobody reads, and 100 when somebody does", async () => {
    const reading = await serve(cleanup, async (request) =>
      new URL(request.url).pathname === "/read"
        ? new Response(await request.text())
        : new Response("no", { status: 413 }),
    );
    const head = (path: string): string =>
      `POST ${path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n`;
    const refused = await raw(cleanup, reading.port, head("/refuse"));
    assert.match(refused, /^HTTP\/1.1 413 /);
    const socket = await openTcp(cleanup, reading.port);
    const told = within(new Promise((resolve) => socket.once("data", resolve)), "100");
    const all = untilClosed(socket);
    socket.write(head("/read").replace("expect", "connection: close\r\nexpect"));
    assert.equal(String(await told), "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write("ok");
    assert.match(await all, /HTTP\/1.1 200 [\s\S]*ok$/);
  });
});
