import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Finished, runProcess } from "../../scripts/test/process.ts";
import { blocksOf, freePort, stopServer, untilListening } from "./documents.ts";

const root = resolve(import.meta.dirname, "../..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);

/** What guides import as `./gen/lake_pb.ts`, as a user's own buf would have made it. */
const generated: Readonly<Record<string, string>> = {
  "lake_pb.ts": "examples/gen/datapunk/lake/v1/lake_pb.ts",
  "stream_pb.ts": "examples/gen/datapunk/stream/v1/stream_pb.ts",
  "echo_pb.ts": "test/gen/test/v1/echo_pb.ts",
};

/** The commands by which each runtime runs a program. */
export const runtimes: Readonly<Record<"node" | "deno" | "bun", readonly string[]>> = {
  node: ["node"],
  deno: ["deno", "run", "-A", "--no-check"],
  bun: ["bun", "run"],
};

/** Makes a folder for programs of guides. */
export function makeFolder(name: string): string {
  mkdirSync(join(root, ".cache"), { recursive: true });
  return mkdtempSync(join(root, `.cache/${name}-`));
}

/**
 * Writes the TypeScript of a guide into a folder, with what it imports from `./gen`: a block that names its file in the
 * first line under that name, so that others can import it.
 */
export function writeGuide(text: string, folder: string): void {
  mkdirSync(join(folder, "gen"), { recursive: true });
  for (const [file, source] of Object.entries(generated)) {
    const path = relative(join(folder, "gen"), join(root, source));
    writeFileSync(join(folder, "gen", file), `export * from "${path}";\n`);
  }
  for (const [index, { language, text: code, file = `block-${index}.ts` }] of blocksOf(text).entries()) {
    // A block without imports is a script otherwise, and shares its names with the others.
    if (language === "ts") writeFileSync(join(folder, file), `${code}\nexport {};\n`);
  }
}

/** A guide whose programs can be run: those blocks of code that name their file. */
export class Guide {
  readonly #folder: string;

  constructor(path: string) {
    this.#folder = makeFolder(path.replace(/\W/g, "-"));
    writeGuide(readFileSync(join(root, path), "utf8"), this.#folder);
  }

  /** Runs a program to its end. */
  run(runtime: keyof typeof runtimes, file: string, env: object): Promise<Finished> {
    const [name = "", ...args] = runtimes[runtime];
    return runProcess(bin(name), [...args, file], { cwd: this.#folder, timeoutMs: 30_000, env });
  }

  /**
   * Runs `work` while a program serves at the port that it is given as `PORT`.
   *
   * @param work - is given the URL, and a function that resolves once the program has written a text
   */
  async serving(
    file: string,
    env: object,
    runtime: keyof typeof runtimes,
    work: (url: string, says: (text: string) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const [name = "", ...args] = runtimes[runtime];
    const program = spawn(bin(name), [...args, file], {
      cwd: this.#folder,
      env: { ...process.env, ...env, PORT: `${port}` },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 55_000,
    });
    let output = "";
    program.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const says = async (text: string): Promise<void> => {
      while (!output.includes(text)) {
        if (program.exitCode !== null || program.signalCode !== null) {
          throw new Error(`the program ended without ${JSON.stringify(text)}: ${output}`);
        }
        await sleep(20);
      }
    };
    try {
      await untilListening(port, program);
      await work(url, says);
    } finally {
      await stopServer(program);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
