import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { isMeshError } from "../../src/core/errors.ts";
import { closeAll, listening, meshOver, serverOf } from "../net/listen/http-fixture.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { unless } from "../support/capability.ts";

/** A server that responds to every request with these bytes. */
function answering(head: string, body = "ok"): Promise<string> {
  const server = createServer((socket) => {
    socket.on("data", () => socket.end(`${head}\r\n\r\n${body}`, "latin1"));
  });
  return listening(server as never);
}

describe("a gateway that passes a response on", unless("listen"), () => {
  after(closeAll);

  it("keeps the fields of its own connection to the service to itself", async () => {
    const upstream = await answering(
      "HTTP/1.1 200 OK\r\nconnection: close, x-private\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nx-private: 1\r\nx-public: 2\r\ncontent-length: 2",
    );
    const mesh = meshOver([upstream]);
    const app = mesh.app().get("/", () => mesh.fetch("mesh://lake/"));
    const server = await mesh.serve({ app, port: 0, hostname: "127.0.0.1" });
    const response = await within(fetch(server.url), "the response");
    assert.equal(await response.text(), "ok");
    assert.equal(response.headers.get("x-public"), "2");
    for (const name of ["x-private", "proxy-authenticate"]) assert.equal(response.headers.get(name), null);
    assert.notEqual(response.headers.get("keep-alive"), "timeout=5");
    await server.close({ force: true });
  });

  it("responds as the service did, although a field has a control character in it", async () => {
    const upstream = await answering("HTTP/1.1 200 OK\r\nx-note: a\u0001b\r\ncontent-length: 2");
    const mesh = meshOver([upstream]);
    const app = mesh.app().get("/", () => mesh.fetch("mesh://lake/"));
    const server = await mesh.serve({ app, port: 0, hostname: "127.0.0.1" });
    const response = await within(fetch(server.url), "the response");
    // Some runtimes' own parser refuses such a response: a fault of the connection then, and not of the gateway.
    assert.ok([200, 502, 503].includes(response.status), `status ${response.status}`);
    if (response.status === 200) assert.equal(response.headers.get("x-note"), "a b");
    await response.text();
    await server.close({ force: true });
  });

  it("describes the bytes that it passes on", async () => {
    const text = "text ".repeat(1000);
    const upstream = await serverOf((_request, response) => {
      const body = gzipSync(text);
      response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length });
      response.end(body);
    });
    const mesh = meshOver([upstream]);
    const app = mesh.app().get("/", () => mesh.fetch("mesh://lake/"));
    const server = await mesh.serve({ app, port: 0, hostname: "127.0.0.1" });
    const response = await within(fetch(server.url), "the response");
    assert.equal(await within(response.text(), "the body"), text);
    await server.close({ force: true });
  });

  it("describes them on a listener of the platform, too", async () => {
    const text = "text ".repeat(1000);
    const upstream = await serverOf((_request, response) => {
      const body = gzipSync(text);
      response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length });
      response.end(body);
    });
    const mesh = meshOver([upstream]);
    const app = mesh.app().get("/", () => fetch(upstream));
    const response = await mesh.handler({ app }).fetch(new Request("http://localhost/"));
    assert.equal(await within(response.text(), "the body"), text);
    assert.deepEqual(
      ["content-encoding", "content-length"].map((name) => response.headers.get(name)),
      [null, null],
    );
  });
});

describe("the limit of a response body over a connection", unless("listen"), () => {
  after(closeAll);

  it("ends the transfer, whether the length was declared or not", async () => {
    let closed = 0;
    const origin = await serverOf((request, response) => {
      response.on("close", () => closed++);
      response.writeHead(200, request.url === "/declared" ? { "content-length": 5_000_000 } : {});
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      };
      response.on("drain", more);
      more();
    });
    const mesh = meshOver([origin]);
    for (const path of ["declared", "chunked"]) {
      const read = mesh.rest("lake").get(path, { maxResponseBytes: 200_000 }).bytes();
      const error = await within(
        read.then(
          () => assert.fail("expected an error"),
          (reason: unknown) => reason,
        ),
        "the error",
      );
      assert.ok(isMeshError(error, "ERR_BODY_TOO_LARGE"), String(error));
    }
    for (let turn = 0; closed < 2 && turn < 5_000; turn++) await new Promise((r) => setTimeout(r, 1));
    assert.equal(closed, 2);
  });
});
