import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ListenOptions } from "../../src/net/port.ts";
import { http2, openHttp2, raw, serve, statusOf, type TestServer } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { unless } from "../support/capability.ts";
import { type Fixture, serverFixture } from "./fixture.ts";

const modes: Readonly<Record<string, Partial<ListenOptions>>> = {
  "one port": { ports: { all: 0 } },
  "two ports": { ports: { rest: 0, grpc: 0 } },
};

for (const [mode, overrides] of Object.entries(modes)) {
  describe(`TRACE on ${mode}`, unless("listen"), () => {
    const cleanup = new Cleanup();
    let server: TestServer;
    let fixture: Fixture;
    before(async () => {
      fixture = serverFixture();
      fixture.app.get("/data", (c) => c.text("read"));
      fixture.app.all("/all", (c) => c.text("seen"));
      server = await serve(
        cleanup,
        (request, connection) => fixture.app.fetch(request, { connection }),
        overrides,
      );
    });
    after(() => cleanup.run());

    it("gets 405 over HTTP/1.1", async () => {
      for (const path of ["/data", "/all"]) {
        const text = await raw(
          cleanup,
          server.port,
          `TRACE ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
        );
        assert.equal(statusOf(text), 405);
        assert.match(text, /^allow: GET, HEAD/im);
      }
      assert.deepEqual(fixture.errors, []);
      assert.equal(fixture.pipeline.inFlight, 0);
    });

    if (mode !== "one port") return;
    it("gets 405 over HTTP/2, with a body and without", async () => {
      const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
      for (const path of ["/data", "/all"]) {
        for (const body of [undefined, "body"]) {
          const { status, headers } = await http2(session, { ":method": "TRACE", ":path": path }, body);
          assert.equal(status, 405);
          assert.match(String(headers.allow), /^GET, HEAD/);
        }
      }
      assert.deepEqual(fixture.errors, []);
      assert.equal(fixture.pipeline.inFlight, 0);
    });
  });
}
