import assert from "node:assert/strict";
import { connect } from "node:net";
import { afterEach, describe, it } from "node:test";
import { createMesh } from "../../src/mesh/mesh.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { unless } from "../support/capability.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** An empty SETTINGS, and a GET of `/` as stream 1, its last frame. */
const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const get = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, 0x61];
/** The header of a PING that is no acknowledgement. */
const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]);

describe("serve({ connections: { keepalive } })", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it("pings HTTP/2 clients that are silent while they wait, and lets go of those that do not reply", async () => {
    const clock = new VirtualClock();
    const mesh = createMesh({ service: "shop", clock });
    const app = mesh.app();
    const begun = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    app.get("/", ({ req }) => {
      const { signal } = req.raw;
      begun.resolve();
      return new Promise<Response>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }).finally(gone.resolve);
    });
    const keepalive = { intervalMs: 5_000, timeoutMs: 2_000 };
    const server = await mesh.serve({ app, hostname: "127.0.0.1", port: 0, connections: { keepalive } });
    cleanup.add(() => server.close({ force: true }));

    const socket = connect(server.port, "127.0.0.1");
    cleanup.add(() => socket.destroy());
    const pinged = Promise.withResolvers<void>();
    let heard = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.includes(ping)) pinged.resolve();
    });
    socket.on("error", () => {});
    socket.write(Buffer.concat([Buffer.from(preface), Buffer.from([...settings, ...get])]));
    await within(begun.promise, "the request");
    await clock.advance(11_000);
    await within(pinged.promise, "a ping");
    await clock.advance(2_000);
    await within(gone.promise, "the end of the request");
    assert.equal(server.inFlight, 0);
  });
});
