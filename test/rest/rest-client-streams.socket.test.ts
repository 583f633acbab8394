import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { closeAll, meshOver, serverOf } from "../net/listen/http-fixture.ts";
import { metricValue } from "../support/metric-value.ts";
import { errorOf } from "./lake.ts";

after(closeAll);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("streams over sockets", () => {
  const chunkBytes = 64 * 1024;
  const chunks = 1_536;
  // What the sockets and the streams between hold, up to 30 MB on a busy Bun, however much there is to send;
  // without back-pressure it would be all.
  const mostInFlight = (chunks * chunkBytes) / 2;

  it("uploads no faster than the service reads", async () => {
    let produced = 0;
    let received = 0;
    let most = 0;
    const origin = await serverOf(async (request, response) => {
      for await (const chunk of request) {
        received += (chunk as Uint8Array).byteLength;
        most = Math.max(most, produced - received);
        await turn();
      }
      response.end(String(received));
    });
    let left = chunks;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (left-- === 0) {
            controller.close();
            return;
          }
          produced += chunkBytes;
          controller.enqueue(new Uint8Array(chunkBytes));
        },
      },
      { highWaterMark: 0 },
    );
    const lake = meshOver([origin]).rest("lake");
    assert.equal(await lake.put("x", { body }).text(), String(chunks * chunkBytes));
    assert.ok(most < mostInFlight, `${most} bytes were on their way at once`);
  });

  it("downloads no faster than the caller takes", async () => {
    let sent = 0;
    let most = 0;
    const origin = await serverOf(async (_, response) => {
      for (let i = 0; i < chunks; i++) {
        sent += chunkBytes;
        if (!response.write(new Uint8Array(chunkBytes)))
          await new Promise((resolve) => response.once("drain", resolve));
      }
      response.end();
    });
    let taken = 0;
    for await (const chunk of meshOver([origin]).rest("lake").get("x").stream({ chunkBytes })) {
      taken += chunk.byteLength;
      most = Math.max(most, sent - taken);
      await turn();
    }
    assert.equal(taken, chunks * chunkBytes);
    assert.ok(most < mostInFlight, `${most} bytes were on their way at once`);
  });

  it("carries bytes unchanged through upload and download", async () => {
    const origin = await serverOf((request, response) => {
      request.pipe(response);
    });
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251);
    async function* pieces() {
      for (let at = 0; at < bytes.length; at += 7_777) yield bytes.subarray(at, at + 7_777);
    }
    const answer = await meshOver([origin]).rest("lake").post("x", { body: pieces() }).bytes();
    assert.equal(Buffer.compare(answer, bytes), 0);
  });

  it("does not count a failed source of an upload against the service", async () => {
    const origin = await serverOf((request, response) => {
      request.on("error", () => {});
      request.resume().on("end", () => response.end());
    });
    const mesh = meshOver([origin]);
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(10));
        else controller.error(new Error("disk full"));
      },
    });
    const error = await errorOf(mesh.rest("lake").post("x", { body }));
    assert.ok(isMeshError(error, "ERR_CANCELLED"), String(error));
    assert.equal((error.cause as Error).message, "disk full");
    const labels = { service: "lake", outcome: "cancelled" };
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", labels), 1);
  });
});
