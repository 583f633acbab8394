import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runProcess } from "../../scripts/test/process.ts";

const root = resolve(import.meta.dirname, "../..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);
const guide = readFileSync(join(root, "docs/certificates.md"), "utf8");
const blocks = [...guide.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => ({
  language,
  text,
  file: /^\/\/ (\S+\.ts)\n/.exec(text)?.[1],
}));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Whether somebody listens there. */
function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return once(socket, "connect").then(
    () => {
      socket.destroy();
      return true;
    },
    () => false,
  );
}

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
    const lake = spawn(bin("node"), ["lake.ts"], {
      cwd: folder,
      env,
      stdio: ["ignore", "ignore", "inherit"],
      timeout: 55_000,
    });
    try {
      while (!(await isOpen(port))) {
        assert.equal(lake.exitCode, null, "the server ended");
        await sleep(50);
      }
      for (const command of ["node", "deno run -A --no-check", "bun run"]) {
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
      const ended = once(lake, "exit");
      lake.kill("SIGKILL");
      await ended;
    }
  });
});
