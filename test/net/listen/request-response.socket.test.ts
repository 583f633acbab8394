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
  statusOf,
  type TestServer,
  untilClosed,
} from "./listener-fixture.ts";

async function respond(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/text":
      return new Response("plain text");
    case "/bytes":
      return new Response(new Uint8Array([1, 2, 3]), { headers: { "content-type": "application/x-bytes" } });
    case "/stream":
      return new Response(new Blob(["from a ", "blob"]).stream());
    case "/empty":
      return new Response(null, { status: 204 });
    case "/unchanged":
      return new Response(null, { status: 304, headers: { etag: '"1"' } });
    case "/cookies": {
      const headers = new Headers({ "x-one": "1" });
      headers.append("set-cookie", "a=1; Path=/");
      headers.append("set-cookie", "b=2");
      return new Response("", { headers });
    }
    case "/throws":
      throw new Error("the password is swordfish");
    case "/no-response":
      return undefined as unknown as Response;
    case "/bad-header":
      return new Response("x", { headers: { "x-bad": "a\r\nset-cookie: stolen=1" } });
    case "/failing-stream":
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
          pull: () => Promise.reject(new Error("the disk is gone")),
        }),
      );
    case "/late-header": {
      const response = new Response("later");
      response.headers.set("x-late", "yes");
      response.headers.append("x-late", "indeed");
      return response;
    }
    case "/again": {
      // What frameworks do to responses and requests.
      const response = new Response("once more", { status: 201 });
      return new Response(response.body, response);
    }
    case "/copied":
      return Response.json({ text: await new Request(request, { headers: { "x-new": "1" } }).text() });
    case "/cloned": {
      const copy = request.clone();
      return Response.json([await request.text(), await copy.text()]);
    }
    case "/form":
      return Response.json([...(await request.formData()).entries()]);
    case "/headers":
      return Response.json({
        one: request.headers.get("X-One"),
        none: request.headers.get("x-none"),
        has: request.headers.has("x-one"),
        prototype: [request.headers.get("constructor"), request.headers.get("__proto__")],
        pseudo: [...request.headers.keys()].filter((name) => name.startsWith(":")),
        all: Object.fromEntries(request.headers),
        same: request instanceof Request && request.headers instanceof Headers,
      });
    case "/unread":
      return new Response("not interested", { status: 413 });
    default:
      return new Response(request.url);
  }
}

describe("requests and responses", unless("listen"), () => {
  const cleanup = new Cleanup();
  let server: TestServer;
  before(async () => {
    server = await serve(cleanup, respond);
  });
  after(() => cleanup.run());

  const get = (
    path: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ) => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const { method = "GET", body, headers = {} } = init;
    return [
      () => http1(server.port, { path, method, headers, ...(body === undefined ? {} : { body }) }),
      () => http2(session, { ":path": path, ":method": method, ...headers }, body),
    ];
  };
  const both = (title: string, check: (ask: typeof get, version: 0 | 1) => Promise<void>): void => {
    it(`${title} (HTTP/1.1)`, () => check(get, 0));
    it(`${title} (HTTP/2)`, () => check(get, 1));
  };

  both("writes text with its length", async (ask, version) => {
    const { status, headers, text } = await ask("/text")[version]!();
    assert.equal(status, 200);
    assert.equal(headers["content-length"], "10");
    assert.match(String(headers["content-type"]), /^text\/plain; ?charset=utf-8$/i);
    assert.equal(text, "plain text");
  });

  both("writes bytes", async (ask, version) => {
    const { headers, text } = await ask("/bytes")[version]!();
    assert.equal(headers["content-length"], "3");
    assert.equal(headers["content-type"], "application/x-bytes");
    assert.equal(text, "\u0001\u0002\u0003");
  });

  both("writes streams", async (ask, version) => {
    const { status, text } = await ask("/stream")[version]!();
    assert.equal(status, 200);
    assert.equal(text, "from a blob");
  });

  both("responses HEAD with the headers of GET and no body", async (ask, version) => {
    const { status, headers, text } = await ask("/text", { method: "HEAD" })[version]!();
    assert.equal(status, 200);
    assert.equal(headers["content-length"], "10");
    assert.equal(text, "");
  });

  both("responds with 204 and 304 without a body", async (ask, version) => {
    const empty = await ask("/empty")[version]!();
    assert.equal(empty.status, 204);
    assert.equal(empty.headers["content-length"], undefined);
    const unchanged = await ask("/unchanged")[version]!();
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.headers.etag, '"1"');
  });

  both("keeps cookies apart", async (ask, version) => {
    const { headers } = await ask("/cookies")[version]!();
    assert.deepEqual(headers["set-cookie"], ["a=1; Path=/", "b=2"]);
    assert.equal(headers["x-one"], "1");
  });

  both("responds with 500 for a handler that throws, without its words", async (ask, version) => {
    for (const path of ["/throws", "/no-response", "/bad-header"]) {
      const { status, headers, text } = await ask(path)[version]!();
      assert.equal(status, 500);
      assert.equal(headers["content-type"], "application/problem+json");
      assert.equal(headers["set-cookie"], undefined);
      assert.doesNotMatch(text, /swordfish|stolen/);
      assert.equal(JSON.parse(text).status, 500);
    }
  });

  both("tells whoever serves what a handler threw", async (ask, version) => {
    server.handlerErrors.length = 0;
    await ask("/throws")[version]!();
    assert.deepEqual(
      server.handlerErrors.map((error) => (error as Error).message),
      ["the password is swordfish"],
    );
  });

  both("breaks off a body whose source fails", async (ask, version) => {
    await assert.rejects(async () => {
      const { text } = await ask("/failing-stream")[version]!();
      assert.notEqual(text, "begun", "the response looks complete");
    });
  });

  both("writes headers that were set afterwards", async (ask, version) => {
    const { headers } = await ask("/late-header")[version]!();
    assert.equal(headers["x-late"], "yes, indeed");
  });

  both("writes responses made of responses", async (ask, version) => {
    const { status, text } = await ask("/again")[version]!();
    assert.equal(status, 201);
    assert.equal(text, "once more");
  });

  both("gives requests that can be copied and cloned", async (ask, version) => {
    const copied = await ask("/copied", { method: "POST", body: "body" })[version]!();
    assert.deepEqual(JSON.parse(copied.text), { text: "body" });
    const cloned = await ask("/cloned", { method: "POST", body: "body" })[version]!();
    assert.deepEqual(JSON.parse(cloned.text), ["body", "body"]);
  });

  both("reads forms", async (ask, version) => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const { text } = await ask("/form", { method: "POST", body: "a=1&b=two+words", headers })[version]!();
    assert.deepEqual(JSON.parse(text), [
      ["a", "1"],
      ["b", "two words"],
    ]);
  });

  both("shows headers by any case, and only headers", async (ask, version) => {
    const { text } = await ask("/headers", { headers: { "x-one": "1" } })[version]!();
    const seen = JSON.parse(text);
    assert.equal(seen.one, "1");
    assert.equal(seen.none, null);
    assert.equal(seen.has, true);
    assert.deepEqual(seen.prototype, [null, null]);
    assert.deepEqual(seen.pseudo, []);
    assert.equal(seen.all["x-one"], "1");
    assert.equal(seen.same, true);
  });

  both("normalises paths, so that nobody sees two", async (ask, version) => {
    for (const [path, seen] of [
      ["/a/../b?c=/../d", "/b?c=/../d"],
      ["/a/%2e%2E/b", "/b"],
      ["/./x//y", "/x//y"],
      ["/.well-known/x", "/.well-known/x"],
    ] as const) {
      const { text } = await ask(path)[version]!();
      const { pathname, search } = new URL(text);
      assert.equal(pathname + search, seen);
      assert.ok(text.endsWith(seen), `${text} does not end with ${seen}`);
    }
    // What is a slash to the URL parser only would hide a segment from a proxy.
    assert.equal((await ask("/a\\..\\b")[version]!()).status, 400);
  });

  it("keeps a connection usable after a body that nobody read", async () => {
    const socket = await openTcp(cleanup, server.port);
    const text = untilClosed(socket);
    const body = "x".repeat(300_000);
    socket.write(`POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
    socket.write("GET /text HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    const answers = await text;
    assert.equal(statusOf(answers), 413);
    assert.match(answers, /HTTP\/1\.1 200 OK[\s\S]*plain text/);
  });

  it("keeps a session usable after a body that nobody read", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const body = "x".repeat(100_000);
    const refused = await http2(session, { ":path": "/unread", ":method": "POST" }, body);
    assert.equal(refused.status, 413);
    assert.equal((await http2(session, { ":path": "/text" })).text, "plain text");
  });

  it("responds to pipelined requests in their order", async () => {
    const one = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n";
    const last = "GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    const answers = await raw(cleanup, server.port, one + one.replace("/1", "/2") + last);
    assert.deepEqual(answers.match(/http:\/\/a\/\d/g), ["http://a/1", "http://a/2", "http://a/3"]);
  });

  it("takes the host from an absolute target", async () => {
    const target = "GET http://other.test/y?z=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert.match(await raw(cleanup, server.port, target), /http:\/\/other\.test\/y\?z=1$/);
  });

  it("makes up a host for HTTP/1.0, which has none", async () => {
    const respond = await raw(cleanup, server.port, "GET /old HTTP/1.0\r\n\r\n");
    assert.equal(statusOf(respond), 200);
    assert.match(respond, new RegExp(`http://127\\.0\\.0\\.1:${server.port}/old`));
  });
});
