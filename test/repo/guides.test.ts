import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { type Block, blocksOf, freePort, startServer, stopServer, untilListening } from "./documents.ts";
import { bin, manifest, packInto, registryProblem, root, runIn } from "./packed-package.ts";

/** A guide, and the project that its files are in. */
interface Guide {
  readonly folder: string;
  readonly port: number;
  readonly blocks: readonly Block[];
}

/** Programs of a reader's machine and of `npx` alike are those of this tree. */
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, DENO_NO_UPDATE_CHECK: "1" };

const installable = new Set([
  manifest.name,
  ...Object.keys(manifest.peerDependencies),
  ...Object.keys(manifest.devDependencies),
]);

/** Takes the lines that install packages out of a block: all that they may name is there already. */
function withoutInstalls(text: string): string {
  return text.replace(/^(?:npm install|bun add|deno add)(?: --save-dev)? (.*)\n/gm, (line, names: string) => {
    const packages = names.split(" ").map((name) => name.replace(/^npm:/, ""));
    assert.deepEqual(
      packages.filter((name) => !installable.has(name)),
      [],
      line,
    );
    return "";
  });
}

describe("the guides, followed in an empty project with the packed package,", {
  skip: await registryProblem(),
}, () => {
  let scratch = "";

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), "mesh-guides-"));
    const archive = await packInto(scratch);
    writeFileSync(join(scratch, "package.json"), JSON.stringify({ private: true }));
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline", "--ignore-scripts"];
    await runIn(scratch, "npm", "install", ...quiet, archive);
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  /** A project with the files of a guide in it, whose ports are free ones. */
  async function project(name: string): Promise<Guide> {
    const folder = join(scratch, name);
    const port = await freePort();
    const blocks = blocksOf(textOf(name).replaceAll("8080", `${port}`));
    mkdirSync(folder);
    symlinkSync(join(scratch, "node_modules"), join(folder, "node_modules"));
    for (const { file, text } of blocks) {
      if (file === undefined) continue;
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    return { folder, port, blocks };
  }

  /** Runs shell blocks one after the other, as a reader would; a server stays up until the last of them has run. */
  async function follow({ folder, port, blocks }: Guide, section?: string): Promise<void> {
    const followed = blocks.filter((block) => section === undefined || block.section === section);
    const servers: { readonly line: string; readonly child: ChildProcess }[] = [];
    let ran = 0;
    try {
      for (const [index, { language, text }] of followed.entries()) {
        if (language !== "sh") continue;
        const script = withoutInstalls(text).replace(/^npx /gm, "");
        if (script === "") continue;
        ran++;
        if (startsServer(script, blocks)) {
          const child = startServer(script, folder, env);
          servers.push({ line: script, child });
          await untilListening(port, child);
          continue;
        }
        const lines: string[] = [];
        const takeLine = (line: string): boolean => lines.push(line) === 0;
        const options = { cwd: folder, timeoutMs: 50_000, env, takeLine };
        const { exitCode, output } = await runProcess("sh", ["-ec", script], options);
        assert.equal(exitCode, 0, `${script}${output}`);
        const shown = followed[index + 1];
        if (shown?.language === "text") assert.equal(lines.join("\n"), shown.text.trimEnd(), script);
      }
      for (const { line, child } of servers) {
        const exitCode = await stopServer(child, "SIGTERM");
        // workerd has no orderly end.
        if (!line.startsWith("workerd")) assert.equal(exitCode, 0, line);
      }
    } finally {
      for (const { child } of servers) await stopServer(child);
    }
    assert.ok(ran > 1, "hardly anything was run");
  }

  describe("get-started.md", () => {
    let guide: Guide;
    before(async () => {
      guide = await project("get-started");
    });

    for (const section of ["Node", "Deno", "Bun", "workerd"]) {
      it(`leads to a service and a call to it: ${section}`, async () => {
        await follow(guide, section);
      });
    }

    it("says which permissions Deno needs, and why no fewer", async () => {
      const { folder, port } = guide;
      const tell = async (file: string, ...flags: string[]): Promise<string> => {
        const args = ["run", "--no-prompt", ...flags, file];
        return (await runProcess(join(bin, "deno"), args, { cwd: folder, timeoutMs: 20_000 })).output;
      };
      const net = `--allow-net=127.0.0.1:${port}`;
      const server = startServer(`deno run --no-prompt --allow-net=0.0.0.0:${port} hello.ts`, folder, env);
      try {
        await untilListening(port, server);
        assert.match(await tell("call.ts", net), /Requires env access to "UNDICI_NO_WASM_SIMD"/);
        assert.match(
          await tell("call.ts", "--ignore-env"),
          new RegExp(`Requires net access to "127.0.0.1:${port}"`),
        );
        const stores = `import { createMesh } from "${manifest.name}";
const mesh = createMesh({ service: "caller", tls: { ca: ["default", "system"] } });
console.log((await mesh.fetch("http://127.0.0.1:${port}/healthz")).status);
await mesh.close();
`;
        writeFileSync(join(folder, "stores.ts"), stores);
        assert.match(await tell("stores.ts", net, "--ignore-env"), /Requires sys access/);
        assert.equal(await tell("stores.ts", net, "--ignore-env", "--allow-sys"), "200\n");
        const named = /--allow-env=UNDICI_\w+(,\w+)+/.exec(textOf("get-started"))?.[0] ?? "";
        assert.equal(await tell("call.ts", net, named), "hello, world\n");
      } finally {
        await stopServer(server);
      }
    });

    it("has no shell blocks in other sections", () => {
      const sections = guide.blocks.filter(({ language }) => language === "sh").map(({ section }) => section);
      assert.deepEqual([...new Set(sections)], ["Node", "Deno", "Bun", "workerd"]);
    });
  });

  describe("protos.md", () => {
    let guide: Guide;
    before(async () => {
      guide = await project("protos");
    });

    it("leads from a proto to a service, calls by three tools, and checked types", async () => {
      await follow(guide);
    });

    it("has programs that need the network on Deno, and nothing else", async () => {
      const { folder, port } = guide;
      const server = startServer(`deno run --no-prompt --allow-net=0.0.0.0:${port} server.ts`, folder, env);
      try {
        await untilListening(port, server);
        const args = ["run", "--no-prompt", `--allow-net=127.0.0.1:${port}`, "client.ts"];
        assert.equal(await runIn(folder, join(bin, "deno"), ...args), "hello, world\n3\n2\n1\n");
        assert.equal(await stopServer(server, "SIGTERM"), 0);
      } finally {
        await stopServer(server);
      }
    });
  });
});

function textOf(guide: string): string {
  return readFileSync(join(root, "docs", `${guide}.md`), "utf8");
}

/** Whether a script runs a file of the guide that opens a port. */
function startsServer(script: string, blocks: readonly Block[]): boolean {
  return (
    script.startsWith("workerd serve") ||
    blocks.some(({ file, text }) => file !== undefined && script.includes(file) && text.includes(".serve("))
  );
}
