import assert from "node:assert/strict";
import { connect } from "node:net";
import { afterEach, describe, it } from "node:test";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Cleanup, deferred } from "../client/grpc-checks.ts";
import { serveMesh } from "../socket-fixture.ts";

/** Beyond what a message may have, and beyond what sockets hold. */
const size = 4_500_000;
/** The head of a message of so many bytes. */
const head = new Uint8Array(5);
new DataView(head.buffer).setUint32(1, size);

describe("an RPC over HTTP/1.1 that fails before its request has come", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Sends the head of a request and so many bytes of its message; the response, and whether all was on its way by then. */
  async function send(method: string, type: string, bytes: number) {
    const server = await serveMesh(cleanup);
    const socket = connect(server.port, "127.0.0.1");
    cleanup.add(() => socket.destroy());
    let received = "";
    let sent = false;
    let sentFirst = false;
    const answered = deferred();
    socket.on("data", (chunk: Buffer) => {
      if (received === "") sentFirst = sent;
      received += chunk.toString("latin1");
      if (/grpc-status|"code"/.test(received)) answered.resolve();
    });
    socket.on("error", () => {});
    const enveloped = type !== "application/proto";
    const length = enveloped ? size + head.length : size;
    socket.write(
      `POST /datapunk.mesh.test.v1.EchoService/${method} HTTP/1.1\r\nhost: a\r\n` +
        `content-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`,
    );
    if (enveloped) socket.write(head);
    socket.write(new Uint8Array(bytes), () => {
      sent = true;
    });
    await within(answered.promise, "a response");
    return { received, sentFirst, socket };
  }

  for (const [method, type] of [
    ["Echo", "application/proto"],
    ["Expand", "application/grpc-web+proto"],
    ["Collect", "application/connect+proto"],
  ] as const) {
    it(`is responded to when its ${type} is through, so that the client can read it`, async () => {
      const { received, sentFirst } = await send(method, type, size);
      assert.match(received, /grpc-status: ?8|"resource_exhausted"/);
      assert.equal(sentFirst, true);
    });
  }

  it("is responded to though the rest of it never comes", async () => {
    const { received } = await send("Expand", "application/grpc-web+proto", 1_000);
    assert.match(received, /grpc-status: ?8/);
  });
});
