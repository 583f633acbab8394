import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { unless } from "../support/capability.ts";
import { Cleanup } from "./grpc-wire-checks.ts";
import { raw, serve } from "./listener-fixture.ts";

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
        for (const path of ["/nobody.Knows/It", "/datapunk.test.v1.EchoService/Echo"]) {
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
});
