import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { ListenOptions } from "../../../src/net/port.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority } from "../../support/certificates.ts";
import { serve, type TestServer, within } from "./listener-fixture.ts";

const request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const header = "PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";

describe("a listener behind a proxy that speaks the PROXY protocol", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Responds with the address that it is told. */
  function serveAddress(
    proxies: readonly string[],
    overrides: Partial<ListenOptions> = {},
  ): Promise<TestServer> {
    return serve(cleanup, (_, { remoteAddress }) => new Response(remoteAddress), {
      limits: { proxyProtocol: proxies },
      ...overrides,
    });
  }

  function opened(port: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp(port, "127.0.0.1", () => resolve(socket));
      socket.on("error", reject);
      cleanup.add(() => void socket.destroy());
    });
  }

  /** All that arrives until the other side ends; what breaks the connection ends it as well. */
  function read(socket: Socket): Promise<string> {
    return within(
      new Promise((resolve) => {
        let text = "";
        socket.setEncoding("utf8");
        socket.on("data", (piece: string) => {
          text += piece;
        });
        socket.on("error", () => {});
        socket.on("close", () => resolve(text));
      }),
      "the end of a connection",
    );
  }

  const bodyOf = (response: string): string => response.slice(response.indexOf("\r\n\r\n") + 4);

  it("is told the client's address, in one piece with the request or in many", async () => {
    const { port } = await serveAddress(["127.0.0.0/8"]);
    const whole = await opened(port);
    whole.write(header + request);
    assert.equal(bodyOf(await read(whole)), "203.0.113.7");
    const pieces = await opened(port);
    pieces.setNoDelay(true);
    for (const byte of header + request) {
      pieces.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(bodyOf(await read(pieces)), "203.0.113.7");
  });

  it("is told the proxy's own address where that speaks for itself", async () => {
    const { port } = await serveAddress(["127.0.0.1"]);
    const socket = await opened(port);
    socket.write(`PROXY UNKNOWN\r\n${request}`);
    assert.equal(bodyOf(await read(socket)), "127.0.0.1");
  });

  it("refuses a connection from it that begins with anything else, and says why", async () => {
    const { port, nextError } = await serveAddress(["127.0.0.1"]);
    const socket = await opened(port);
    socket.write(request);
    assert.equal(await read(socket), "");
    const { kind, error } = await nextError();
    assert.equal(kind, "protocol");
    assert.match(
      String(error),
      /from 127\.0\.0\.1: its first line is none of the PROXY protocol; let the proxy send/,
    );
  });

  it("takes the header from nobody else", async () => {
    const { port } = await serveAddress(["10.0.0.0/8"]);
    const plain = await opened(port);
    plain.write(request);
    assert.equal(bodyOf(await read(plain)), "127.0.0.1");
    const forged = await opened(port);
    forged.write(header + request);
    assert.match(await read(forged), /^HTTP\/1\.1 400 /);
  });

  it("does not count its connections as those of one address", async () => {
    const { port } = await serveAddress(["127.0.0.1"], {
      limits: { proxyProtocol: ["127.0.0.1"], maxConnectionsPerAddress: 1 },
    });
    const [first, second] = [await opened(port), await opened(port)];
    second.write(header + request);
    assert.equal(bodyOf(await read(second)), "203.0.113.7");
    first.destroy();
  });

  it("takes the header before the handshake of TLS, and knows the client on both versions of HTTP", async () => {
    const authority = await createAuthority();
    const identity = await authority.issue();
    const { port } = await serveAddress(["127.0.0.1"], { tls: { ...identity, clientAuth: "none" } });
    for (const [protocol, message] of [
      ["http/1.1", request],
      ["h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ] as const) {
      const socket = await opened(port);
      socket.write(header);
      const secure = connectTls({
        socket,
        ca: identity.ca,
        servername: "localhost",
        ALPNProtocols: [protocol],
      });
      secure.write(message);
      if (protocol === "http/1.1") assert.equal(bodyOf(await read(secure)), "203.0.113.7");
      else {
        const settings = await within(
          new Promise<Buffer>((resolve) => secure.once("data", resolve)),
          "SETTINGS",
        );
        assert.equal(settings[3], 4);
        secure.destroy();
      }
    }
  });

  it("limits clients by their own addresses", async () => {
    const mesh = createMesh({ service: "lake", server: { rateLimit: { perMinute: 1, burst: 1 } } });
    const app = mesh.app();
    app.get("/", (c) => c.text("ok"));
    const server = await mesh.serve({
      app,
      hostname: "127.0.0.1",
      port: 0,
      connections: { proxyProtocol: ["127.0.0.1"] },
    });
    cleanup.add(() => mesh.close());
    const statusFrom = async (address: string): Promise<string> => {
      const socket = await opened(server.port);
      socket.write(`PROXY TCP4 ${address} 10.0.0.1 4711 443\r\n${request}`);
      return (await read(socket)).slice(9, 12);
    };
    assert.deepEqual(
      [await statusFrom("203.0.113.1"), await statusFrom("203.0.113.1"), await statusFrom("203.0.113.2")],
      ["200", "429", "200"],
    );
    await server.close({ force: true });
  });
});
