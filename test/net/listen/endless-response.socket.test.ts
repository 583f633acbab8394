import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { until } from "../../rpc/socket-fixture.ts";
import { unless } from "../../support/capability.ts";
import { http1, openTcp, serve, within } from "./listener-fixture.ts";

/** More pieces than any buffers hold. */
const many = 100_000;

describe("an endless response whose source never waits", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  for (const [when, turns, waiting] of [
    ["before the first piece", 11, 0],
    ["in the middle", 0, 0],
    ["in the middle, with requests waiting", 0, 1_000],
  ] as const) {
    it(`ends with a client that leaves ${when}, and keeps nobody from being served`, async () => {
      let pulls = 0;
      let ended = 0;
      let begun = 0;
      const piece = new Uint8Array(5_000);
      const server = await serve(cleanup, ({ url }) => {
        if (url.endsWith("/ping")) return new Response("pong");
        begun++;
        const source = new ReadableStream({
          async pull(controller) {
            if (++pulls < many) controller.enqueue(piece);
            else controller.close();
          },
          cancel() {
            ended++;
          },
        });
        return new Response(source);
      });
      const socket = await openTcp(cleanup, server.port);
      // With so much behind it nobody listens to the client, and only a write tells that it has left.
      socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1 + waiting));
      if (turns === 0)
        await within(new Promise((resolve) => socket.once("data", resolve)), "the first piece");
      else for (let left = turns; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
      assert.equal((await http1(server.port, { path: "/ping" })).text, "pong");
      await until(() => pulls >= many || ended === begun, "the end of the source");
      assert.ok(pulls < many, "the source was read on for nobody");
    });
  }
});
