import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { serveWorker } from "../../scripts/test/workerd.ts";

describe("the fetch handler of a mesh on workerd", () => {
  let worker: { readonly child: ChildProcess; readonly port: number };
  before(async () => {
    worker = await serveWorker({ entryPoint: join(import.meta.dirname, "support/stream-worker.ts") });
  });
  after(() => worker.child.kill("SIGKILL"));

  /** The response's head, with the body as far as it came; `readFirst` leaves after its first piece. */
  function get(path: string, readFirst = false): Promise<{ headers: NodeJS.Dict<unknown>; text: string }> {
    return new Promise((resolve, reject) => {
      const asking = request({ port: worker.port, path, agent: false, timeout: 20_000 }, (response) => {
        let text = "";
        const end = (): void => resolve({ headers: response.headers, text });
        response.setEncoding("utf8");
        response.on("data", (piece: string) => {
          text += piece;
          if (readFirst) asking.destroy();
        });
        response.on("close", end).on("error", end);
      });
      asking.on("error", reject).on("timeout", () => asking.destroy(new Error(`${path} takes too long`)));
      asking.end();
    });
  }

  /** What the metrics say of a name. */
  async function metric(name: string): Promise<string[]> {
    const { text } = await get("/metrics");
    return text.split("\n").filter((line) => line.startsWith(name));
  }

  it("sends what is held in memory, or has a declared length, with its length", async () => {
    const [image, declared] = [await get("/image"), await get("/declared")];
    assert.deepEqual([image.headers["content-length"], image.text], ["5", "image"]);
    assert.deepEqual([declared.headers["content-length"], declared.text], ["15", "abcdeabcdeabcde"]);
  });

  it("ends the call of a stream that hangs, and of one whose client goes", async () => {
    assert.equal((await get("/hanging")).text, "first");
    assert.match((await get("/ticking", true)).text, /^tick/);
    const ended = async (): Promise<string[]> => metric("mesh_server_requests_total");
    const outcomes = (lines: readonly string[], path: string): string[] =>
      lines
        .filter((line) => line.includes(`GET ${path}`))
        .map((line) => /outcome="(\w+)"/.exec(line)?.[1] ?? "");
    // The platform tells of a client that went when the worker next writes.
    let lines = await ended();
    for (let at = 0; at < 200 && outcomes(lines, "/ticking").length === 0; at++) lines = await ended();
    assert.deepEqual(outcomes(lines, "/hanging"), ["deadline_exceeded"]);
    assert.deepEqual(outcomes(lines, "/ticking"), ["cancelled"]);
    assert.deepEqual(await metric("mesh_server_in_flight"), ["mesh_server_in_flight 0"]);
  });
});
