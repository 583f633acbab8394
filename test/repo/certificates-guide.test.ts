import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { blocksOf, freePort, startServer, stopServer, untilListening } from "./documents.ts";

const root = resolve(import.meta.dirname, "../..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);
const blocks = blocksOf(readFileSync(join(root, "docs/certificates.md"), "utf8"));

describe("docs/certificates.md", () => {
  let folder = "";
  before(() => {
    mkdirSync(join(root, ".cache"), { recursive: true });
    folder = mkdtempSync(join(root, ".cache/certificates-"));
    for (const { text, file } of blocks) if (file !== undefined) writeFileSync(join(folder, file), text);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("makes certificates by which its programs know each other, on every runtime", async () => {
    for (const { text } of blocks.filter(({ language }) => language === "sh")) {
      const { exitCode, output } = await runProcess("sh", ["-e", "-c", text], {
        cwd: folder,
        timeoutMs: 30_000,
      });
      assert.equal(exitCode, 0, output);
    }
    const port = await freePort();
    const env = { ...process.env, PORT: `${port}` };
    const lake = startServer(`${bin("node")} lake.ts`, folder, env);
    try {
      await untilListening(port, lake);
      for (const command of [
        "node",
        "deno run --allow-net=127.0.0.1 --allow-read=. --allow-env=PORT --ignore-env",
        "bun run",
      ]) {
        const [name = "", ...args] = command.split(" ");
        const { exitCode, output } = await runProcess(bin(name), [...args, "gateway.ts"], {
          cwd: folder,
          env,
          timeoutMs: 30_000,
        });
        assert.equal(exitCode, 0, output);
        assert.match(output, /^spiffe:\/\/example\.org\/gateway$/m, command);
      }
    } finally {
      await stopServer(lake);
    }
  });
});
