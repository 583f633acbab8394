import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Guide, runtimes } from "./guide.ts";

const names = Object.keys(runtimes) as (keyof typeof runtimes)[];

describe("docs/streaming.md", () => {
  let guide: Guide;
  before(() => {
    guide = new Guide("docs/streaming.md");
  });
  after(() => guide.remove());

  for (const runtime of names) {
    it(`has REST streams in both directions, with ${runtime} as server and as client`, async () => {
      await guide.serving("rest-server.ts", {}, runtime, async (url, says) => {
        const { exitCode, output } = await guide.run(runtime, "rest-client.ts", { URL: url });
        assert.equal(exitCode, 0, output);
        const bytes = Array.from({ length: 100_000 }, (_, index) => `line ${index + 1}\n`).join("").length;
        const expected = ["row 1", "row 2", "row 3", `stored ${bytes}`, "tick 1", "tick 2", ""];
        assert.equal(output, expected.join("\n"));
        await says("end of the rows");
      });
    });

    it(`has RPC streams of each kind, with ${runtime} as server and as client`, async () => {
      await guide.serving("rpc-server.ts", {}, runtime, async (url, says) => {
        const { exitCode, output } = await guide.run(runtime, "rpc-client.ts", { URL: url });
        assert.equal(exitCode, 0, output);
        const expected = ["row 0", "row 1", "row 2", "accepted 1000", "HELLO", "GOODBYE", ""];
        assert.equal(output, expected.join("\n"));
        await says("runs at the end, also if the client has gone away");
      });
    });
  }
});
