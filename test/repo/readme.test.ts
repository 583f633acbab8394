import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { blocksOf, freePort, startServer, stopServer, untilListening } from "./documents.ts";

const root = resolve(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);

const blocks = blocksOf(readme);

/** Lines of the shell blocks; a shell block is never only partly run. */
const commands = blocks
  .filter(({ language }) => language === "sh")
  .flatMap(({ text }) => text.trim().split("\n"));

/** The lines that set up a clone, which is what these tests run in. */
const setUp = commands.filter((line) => line.startsWith("npm ci"));
const servers = commands.filter((line) => /^npx (node|deno|bun) /.test(line));
const questions = commands.filter((line) => line.startsWith("curl "));
const worker = commands.filter((line) => /^npx (esbuild|workerd) /.test(line));

/** The responds with that the README shows, in the order of the questions. */
const responses = blocks
  .filter(({ language }) => language === "json")
  .flatMap(({ text }) => text.trim().split("\n"));

describe("README.md", () => {
  let folder = "";
  let port = 0;
  let adminPort = 0;

  /** As the README has it, but with the runtimes of this tree and ports that are free. */
  const here = (text: string): string =>
    text
      .replaceAll("8080", `${port}`)
      .replaceAll("9090", `${adminPort}`)
      .replace(/\bnpx (\w+)/g, (_, name) => join(root, "node_modules/.bin", name));

  before(async () => {
    mkdirSync(join(root, ".cache"), { recursive: true });
    folder = mkdtempSync(join(root, ".cache/readme-"));
    port = await freePort();
    adminPort = await freePort();
    for (const [index, { language, text, file }] of blocks.entries()) {
      if (file !== undefined) writeFileSync(join(folder, file), here(text));
      else if (language === "ts") writeFileSync(join(folder, `block-${index}.ts`), text);
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("has blocks of known languages, and shell lines of known kinds, only", () => {
    const known = ["ts", "sh", "json", "capnp", "text"];
    assert.deepEqual(
      blocks.map(({ language }) => language).filter((language) => !known.includes(language)),
      [],
    );
    const tested = new Set([...setUp, ...servers, ...questions, ...worker]);
    assert.deepEqual(
      commands.filter((line) => !tested.has(line)),
      [],
    );
    assert.deepEqual(
      [setUp, servers, questions, worker].map((lines) => lines.length > 0),
      [true, true, true, true],
    );
  });

  it("names npm scripts that exist", () => {
    const names = [...readme.matchAll(/\bnpm (?:run (\w+)|(start|test))\b/g)].map(
      ([, run, short]) => run ?? short!,
    );
    assert.ok(names.length > 0);
    assert.deepEqual(
      names.filter((name) => scripts[name] === undefined),
      [],
    );
  });

  it("links to files that exist", () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link!);
    const local = links.filter((link) => !link.startsWith("http"));
    assert.ok(local.length > 0);
    assert.deepEqual(
      local.filter((link) => !existsSync(join(root, link))),
      [],
    );
  });

  it("shows TypeScript that type-checks", async () => {
    const config = {
      extends: "../../tsconfig.json",
      compilerOptions: { declaration: false, isolatedDeclarations: false, noUnusedLocals: false },
      include: ["*.ts"],
      exclude: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules/.bin/tsc");
    const { exitCode, output } = await runProcess(tsc, ["-p", folder], { cwd: root, timeoutMs: 55_000 });
    assert.equal(exitCode, 0, output);
  });

  for (const command of servers) {
    it(`shows a server that responds as it says: ${command}`, async () => {
      const server = startServer(here(command), folder);
      try {
        await untilListening(port, server);
        for (const [index, question] of questions.entries()) {
          const { exitCode, output } = await shell(here(question), folder);
          assert.equal(exitCode, 0, `${question}: ${output}`);
          const expected = responses[index];
          if (expected === undefined) assert.notEqual(output.trim(), "", question);
          else assert.equal(output.trim(), expected, question);
        }
      } finally {
        await stopServer(server);
      }
    });
  }

  it("shows a worker that runs on workerd", async () => {
    for (const build of worker.slice(0, -1)) {
      const { exitCode, output } = await shell(here(build), folder);
      assert.equal(exitCode, 0, output);
    }
    const server = startServer(here(worker.at(-1)!), folder);
    try {
      await untilListening(port, server);
      const response = await fetch(`http://127.0.0.1:${port}/hello/world`);
      assert.equal(await response.text(), responses[0]);
    } finally {
      await stopServer(server);
    }
  });
});

function shell(line: string, cwd: string): ReturnType<typeof runProcess> {
  return runProcess("sh", ["-c", line], { cwd, timeoutMs: 30_000 });
}
