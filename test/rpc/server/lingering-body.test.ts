import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFetchDispatch } from "../../../src/rpc/server/fetch-dispatch.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";
import { serveInProcess, someConnection } from "../echo.ts";

const service = "https://echo.test/datapunk.mesh.test.v1.EchoService";
/** An envelope's head: a message of 64 KiB is to follow. */
const head = new Uint8Array([0, 0, 1, 0, 0]);

/** Sends a body chunk by chunk, and tells how many were taken; `endless` ones wait for ever after the last. */
function upload(first: Uint8Array, more: number, endless = false) {
  const state = { taken: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (state.taken > more) {
          if (endless) await new Promise(() => {});
          controller.close();
        } else controller.enqueue(state.taken++ === 0 ? first : new Uint8Array(1024));
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, body };
}

function send(method: string, contentType: string, body: ReadableStream<Uint8Array>) {
  const clock = new VirtualClock();
  const { dispatcher } = serveInProcess({ clock, maxMessageBytes: 100 });
  const dispatch = createFetchDispatch(dispatcher, { lingerMs: 500, clock });
  const init: RequestInit & { duplex: "half" } = {
    method: "POST",
    headers: { "content-type": contentType },
    body: body as ReadableStream<Uint8Array<ArrayBuffer>>,
    duplex: "half",
  };
  const sent = dispatch(new Request(`${service}/${method}`, init), someConnection);
  return { clock, sent: sent as Promise<Response> };
}

for (const [method, contentType] of [
  ["Echo", "application/proto"],
  ["Echo", "application/grpc-web+proto"],
  ["Expand", "application/connect+json"],
] as const) {
  describe(`a refused ${contentType} request to a fetch handler that lingers`, () => {
    it("is read to its end before the response begins", async () => {
      const { state, body } = upload(head, 64);
      const { sent } = send(method, contentType, body);
      const response = await sent;
      assert.deepEqual(state, { taken: 65, cancelled: false });
      assert.match(await response.text(), /resource_exhausted|grpc-status: 8/);
    });

    it("is given up when time is up", async () => {
      const { state, body } = upload(head, 3, true);
      const { clock, sent } = send(method, contentType, body);
      let text: string | undefined;
      const answered = sent.then(async (response) => {
        text = await response.text();
      });
      await settle();
      assert.equal(text, undefined);
      await clock.advance(500);
      await answered;
      assert.match(text ?? "", /resource_exhausted|grpc-status: 8/);
      assert.deepEqual(state, { taken: 4, cancelled: true });
    });
  });
}

describe("a request to a fetch handler that lingers", () => {
  it("costs no time when it was read to its end", async () => {
    const { sent } = send("Echo", "application/json", new Blob(['{"text":"hello"}']).stream());
    assert.deepEqual(await (await sent).json(), { text: "hello" });
  });

  it("is not read without end, whatever the time", async () => {
    const { state, body } = upload(head, Number.POSITIVE_INFINITY);
    const { sent } = send("Echo", "application/proto", body);
    assert.equal((await sent).status, 429);
    assert.equal(state.cancelled, true);
    assert.ok(state.taken > 8000 && state.taken < 8300, `took ${state.taken} KiB`);
  });
});
