import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findCurl, needs } from "./support/tools.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "node_modules/.bin");
// Below the repository, so that the package finds itself by its own name as in the guide.
const folder = join(root, ".cache", `readme-${process.pid}`);
const run = promisify(execFile);

interface Block {
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = [
  ...readFileSync(join(root, "README.md"), "utf8").matchAll(/^```(\w+)\n(.*?)^```$/gms),
].map(([, language = "", text = ""]) => ({ language, text }));

const fileNamed = (name: string): string => {
  const block = blocks.find(({ text }) => /^(?:\/\/|#) (\S+)\n/.exec(text)?.[1] === name);
  assert.ok(block, `README shows ${name}`);
  return block.text;
};
const shell = (part: string): string => {
  const block = blocks.find(({ language, text }) => language === "sh" && text.includes(part));
  assert.ok(block, `README shows a command with ${part}`);
  return block.text.trim();
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(url: string): Promise<void> {
  const until = Date.now() + 20_000;
  for (;;) {
    try {
      await (await fetch(url)).text();
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Runs a server by the README's own command, with a free port in place of 8080, while `use` looks at it. */
async function serving(command: string, files: Record<string, string>, use: (port: number) => Promise<void>) {
  const port = await freePort();
  const atPort = (text: string): string => text.replaceAll("8080", String(port));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), atPort(text));
  const lines = command.split("\n");
  const [program = "", ...args] = (lines.pop() ?? "").replace(/^npx /, "").split(" ");
  for (const line of lines) {
    const [first = "", ...rest] = line.replace(/^npx /, "").split(" ");
    await run(join(bin, first), rest, { cwd: folder, timeout: 60_000 });
  }
  const child: ChildProcess = spawn(join(bin, program), args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => said.push(String(chunk)));
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  try {
    await answers(`http://127.0.0.1:${port}/healthz`);
    await use(port);
  } catch (error) {
    throw new Error(`${command}\n${said.join("")}`, { cause: error });
  } finally {
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(force);
  }
}

/** Runs the README's curl lines against the port. */
async function curls(port: number, only: (line: string) => boolean = () => true): Promise<string[]> {
  const results: string[] = [];
  for (const line of shell("curl -s http://127.0.0.1:8080/hello/world").split("\n").filter(only)) {
    const { stdout } = await run("sh", ["-c", line.replaceAll("8080", String(port))], { timeout: 20_000 });
    results.push(stdout);
  }
  return results;
}

const curl = needs(findCurl(), "curl with HTTP/2");

const promised = (): string[] =>
  (blocks.find(({ language }) => language === "json")?.text ?? "").trim().split("\n");

describe("README", () => {
  before(() => mkdirSync(folder, { recursive: true }));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("shows TypeScript that type-checks", async () => {
    const sources = blocks.filter(({ language }) => language === "ts");
    assert.ok(sources.length >= 6, "there are examples to check");
    sources.forEach(({ text }, index) => {
      writeFileSync(join(folder, `example-${index}.ts`), text);
    });
    const config = {
      extends: "../../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, isolatedDeclarations: false },
      include: ["example-*.ts"],
      exclude: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    await run(join(bin, "tsc"), ["--noEmit", "-p", folder], { cwd: root, timeout: 120_000 }).catch(
      (error) => {
        throw new Error(`${error.stdout}${error.stderr}`);
      },
    );
  });

  for (const runtime of ["node", "deno", "bun"]) {
    it(`shows a service that runs on ${runtime} and answers as shown`, curl, async () => {
      const command = shell(runtime === "deno" ? "deno run" : `npx ${runtime} hello.ts`);
      await serving(command, { "hello.ts": fileNamed("hello.ts") }, async (port) => {
        const [overHttp1, overHttp2, health, ready, metrics] = await curls(port);
        assert.deepEqual([overHttp1, overHttp2, health], promised());
        assert.match(ready ?? "", /"status":"ready"/);
        assert.match(metrics ?? "", /mesh_server_requests_total\{.*\} 2/);
      });
    });
  }

  it("shows a worker that runs on workerd and answers as shown", curl, async () => {
    const files = { "worker.ts": fileNamed("worker.ts"), "worker.capnp": fileNamed("worker.capnp") };
    await serving(shell("workerd serve"), files, async (port) => {
      const results = await curls(port, (line) => !line.includes("--http2"));
      const [hello, , health] = promised();
      assert.deepEqual(results.slice(0, 2), [hello, health]);
    });
  });

  it("shows no command that is not run here or by the gate", () => {
    const known = new Set([
      "npm ci && npm start",
      "npm ci && npm test",
      "npx node hello.ts",
      "npx deno run -A hello.ts",
      "npx bun hello.ts",
      shell("workerd serve"),
      shell("curl -s http://127.0.0.1:8080/hello/world"),
    ]);
    assert.deepEqual(
      blocks.filter(({ language, text }) => language === "sh" && !known.has(text.trim())),
      [],
    );
    assert.deepEqual(
      new Set(blocks.map(({ language }) => language)),
      new Set(["text", "sh", "ts", "json", "capnp"]),
    );
  });
});
