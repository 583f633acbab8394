import assert from "node:assert/strict";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import { isTransportError, type TransportFault } from "../../../src/core/errors.ts";
import type { TlsIdentity } from "../../../src/core/identity.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority } from "../../support/certificates.ts";
import { serve, within } from "../listen/listener-fixture.ts";
import { deadPort, httpOrigin, listening, openTransport, send, tcpOrigin } from "./http-transport-fixture.ts";

async function faultOf(promise: Promise<unknown>): Promise<TransportFault> {
  const error = await promise.then(
    () => assert.fail("expected a fault of the transport"),
    (raised) => raised,
  );
  assert.ok(isTransportError(error), `not a fault of the transport: ${error}`);
  assert.match(error.message, /lake/);
  return error.fault;
}

describe("faults of the HTTP transport", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it("knows a refused connection", async () => {
    const fault = await faultOf(send(openTransport(cleanup), `http://127.0.0.1:${await deadPort()}/`));
    assert.equal(fault, "refused");
  });

  it("knows a name that nobody has", async () => {
    assert.equal(await faultOf(send(openTransport(cleanup), "http://nobody.invalid/")), "dns");
  });

  it("knows a connection that ends before the response", async () => {
    const origin = await tcpOrigin(cleanup, (socket) => socket.once("data", () => socket.end()));
    assert.ok(["closed", "reset"].includes(await faultOf(send(openTransport(cleanup), `${origin}/`))));
  });

  it("knows a connection that is reset", async () => {
    const origin = await tcpOrigin(cleanup, (socket) => socket.once("data", () => socket.resetAndDestroy()));
    assert.ok(["closed", "reset"].includes(await faultOf(send(openTransport(cleanup), `${origin}/`))));
  });

  it("knows a connection that ends in the body", async () => {
    const origin = await httpOrigin(cleanup, (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("ten bytes.");
      setImmediate(() => response.socket?.destroy());
    });
    const transport = openTransport(cleanup);
    const cut = await send(transport, `${origin}/`);
    assert.ok(["closed", "reset"].includes(await faultOf(within(cut.text(), "the body"))));
    const streamed = await send(transport, `${origin}/`);
    const read = async (): Promise<void> => {
      for await (const _ of streamed.body ?? []);
    };
    assert.ok(["closed", "reset"].includes(await faultOf(within(read(), "the body"))));
  });

  it("knows a response that is no HTTP", async () => {
    const origin = await tcpOrigin(cleanup, (socket) =>
      socket.once("data", () => socket.end("220 smtp.test\r\n")),
    );
    const fault = await faultOf(send(openTransport(cleanup), `${origin}/`));
    assert.ok(["unknown", "closed", "reset"].includes(fault), fault);
  });

  it("takes up again with an endpoint that came back", async () => {
    const transport = openTransport(cleanup);
    const port = await deadPort();
    assert.equal(await faultOf(send(transport, `http://127.0.0.1:${port}/`)), "refused");
    await serve(cleanup, () => new Response("back"), { ports: { all: port } });
    assert.equal(await (await send(transport, `http://127.0.0.1:${port}/`)).text(), "back");
  });
});

describe("HTTP transport with certificates", unless("listen", "mtlsClient", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function httpsOrigin(identity: TlsIdentity): Promise<string> {
    const server = createHttpsServer({ cert: identity.cert, key: identity.key }, (_request, response) => {
      response.end("served");
    });
    server.on("tlsClientError", () => {});
    return `https://localhost:${await listening(cleanup, server)}`;
  }

  it("shows its own to the server", async () => {
    const authority = await createAuthority();
    const server = await serve(
      cleanup,
      (_request, connection) => new Response(connection.peer?.spiffeId ?? "nobody"),
      { tls: { ...(await authority.issue()), clientAuth: "require" } },
    );
    const tls = await authority.issue({ commonName: "gateway", uri: ["spiffe://datapunk.test/gateway"] });
    const transport = openTransport(cleanup, { tls });
    const answer = await send(transport, `https://localhost:${server.port}/`);
    assert.equal(await answer.text(), "spiffe://datapunk.test/gateway");
  });

  it("sends and reads bodies over TLS", async () => {
    const authority = await createAuthority();
    const server = await serve(cleanup, (request) => new Response(request.body), {
      tls: { ...(await authority.issue()), clientAuth: "require" },
    });
    const transport = openTransport(cleanup, { tls: await authority.issue() });
    const body = "0123456789".repeat(100_000);
    const stream = new Blob([body]).stream();
    const answer = await send(transport, `https://localhost:${server.port}/`, {
      method: "POST",
      body: stream,
    });
    assert.equal(await answer.text(), body);
  });

  it("knows a server that refuses it", async () => {
    const authority = await createAuthority();
    const other = await createAuthority();
    const server = await serve(cleanup, () => new Response("come in"), {
      tls: { ...(await authority.issue()), clientAuth: "require" },
    });
    const stranger = { ...(await other.issue()), ca: authority.ca };
    const fault = await faultOf(
      send(openTransport(cleanup, { tls: stranger }), `https://localhost:${server.port}/`),
    );
    assert.ok(["tls", "reset", "closed"].includes(fault), fault);
  });

  for (const [what, of] of [
    ["of another authority", async () => (await createAuthority()).issue()],
    ["that expired", undefined],
    ["of another name", undefined],
  ] as const) {
    it(`knows a server with a certificate ${what}`, async () => {
      const authority = await createAuthority();
      const server =
        of === undefined
          ? await authority.issue(
              what === "that expired" ? { expired: true } : { dns: ["elsewhere.test"], ip: [] },
            )
          : await of();
      const tls = await authority.issue();
      const origin = await httpsOrigin(server);
      assert.equal(await faultOf(send(openTransport(cleanup, { tls }), `${origin}/`)), "tls");
    });
  }

  it("knows a server that does not speak TLS", async () => {
    const authority = await createAuthority();
    const port = await listening(
      cleanup,
      createTcpServer((socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    );
    const tls = await authority.issue();
    assert.equal(await faultOf(send(openTransport(cleanup, { tls }), `https://localhost:${port}/`)), "tls");
  });
});
