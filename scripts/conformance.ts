/**
 * Runs the Connect conformance suite against this library's client and server: `npm run conformance`.
 *
 *     node scripts/conformance.ts [--runtime node|deno|bun|workerd]... [--mode client|server]... [-- runner arguments]
 *
 * The official runner is built with `go install` into `.cache/bin`; `CONNECTCONFORMANCE` names one that is
 * built already. The suite's own messages are generated from the runner's module into `conformance/gen`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runProcess } from "./test/process.ts";

const root = resolve(import.meta.dirname, "..");
const suite = "connectrpc.com/conformance";
/** Pinned: a newer suite with more tests comes as a change of this line. */
const version = "v1.0.6";

const commands = {
  node: ["node"],
  deno: ["deno", "run", "--allow-all", "--no-check"],
  bun: ["bun", "run"],
  // What starts workerd is a program for Node.
  workerd: ["node"],
} as const;
type RuntimeName = keyof typeof commands;
const modes = ["client", "server"] as const;
type Mode = (typeof modes)[number];

interface OutcomeKind {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { exitCode, output } = await runProcess(program, [...args], {
    cwd: root,
    timeoutMs: 600_000,
    env: { ...process.env, ...env },
  });
  if (exitCode !== 0)
    throw new Error(`Cannot run ${program} ${args.join(" ")}: it ended with ${exitCode}\n${output}`);
  return output;
}

/** The path of the runner, built if need be. */
async function findRunner(): Promise<string> {
  const given = process.env.CONNECTCONFORMANCE;
  if (given !== undefined && given !== "") {
    if (!existsSync(given)) throw new Error(`Cannot use CONNECTCONFORMANCE: ${given} does not exist`);
    return resolve(given);
  }
  const bin = join(root, ".cache/bin");
  const runner = join(bin, `connectconformance-${version}`);
  if (!existsSync(runner)) {
    await run("go", ["install", `${suite}/cmd/connectconformance@${version}`], { GOBIN: bin });
    await run("mv", [join(bin, "connectconformance"), runner]);
  }
  return runner;
}

/** Generates the suite's messages, unless they are there in the right version. */
async function generate(): Promise<void> {
  const gen = join(root, "conformance/gen");
  const stamp = join(gen, "VERSION");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === version) return;
  const response = await run("go", ["mod", "download", "-json", `${suite}@${version}`]);
  // What the tool says about its progress stands before the result.
  const { Dir } = JSON.parse(response.slice(response.indexOf("{\n"))) as { readonly Dir: string };
  const template = {
    version: "v2",
    clean: true,
    plugins: [
      {
        local: "node_modules/.bin/protoc-gen-es",
        out: "conformance/gen",
        opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"],
      },
    ],
  };
  const buf = join(root, "node_modules/.bin/buf");
  await run(buf, ["generate", "--template", JSON.stringify(template), join(Dir, "proto")]);
  writeFileSync(stamp, version);
}

/** Names of tests that fail for a fault of others, always or now and then; every one is explained in its file. */
function knownFaults(runtime: RuntimeName, mode: Mode): string[] {
  const failing = join(root, "conformance", `known-failing-${runtime}-${mode}.txt`);
  const flaky = join(root, "conformance", `known-flaky-${mode}.txt`);
  return [
    ...(existsSync(failing) ? ["--known-failing", `@${failing}`] : []),
    ...(existsSync(flaky) ? ["--known-flaky", `@${flaky}`] : []),
  ];
}

/** A file of the mode: the runtime's own (`server-workerd.ts`), else that of all runtimes with sockets. */
function fileOf(runtime: RuntimeName, mode: Mode, extension: string): string {
  const own = join(root, "conformance", `${mode}-${runtime}.${extension}`);
  return existsSync(own) ? own : join(root, "conformance", `${mode}.${extension}`);
}

/** Whether the mode can run there: workerd opens no port and reads no input, so it needs programs of its own. */
function isTestable(runtime: RuntimeName, mode: Mode): boolean {
  return runtime !== "workerd" || existsSync(join(root, "conformance", `${mode}-workerd.ts`));
}

async function test(runner: string, runtime: RuntimeName, mode: Mode, extra: string[]): Promise<OutcomeKind> {
  const [program, ...flags] = commands[runtime];
  const command = [join(root, "node_modules/.bin", program), ...flags, fileOf(runtime, mode, "ts")];
  const config = fileOf(runtime, mode, "yaml");
  const args = ["--conf", config, "--mode", mode, ...knownFaults(runtime, mode), ...extra, "--", ...command];
  const { exitCode, output } = await runProcess(runner, args, { cwd: root, timeoutMs: 900_000 });
  const counts = /(\d+) passed, (\d+) failed/.exec(output);
  const passed = Number(counts?.[1] ?? 0);
  const failed = Number(counts?.[2] ?? 1);
  // The runner also fails when a test that is known to fail passes.
  return { passed, failed: exitCode === 0 ? failed : Math.max(failed, 1), output };
}

function chosen<T extends string>(
  given: readonly string[] | undefined,
  all: readonly T[],
  what: string,
): readonly T[] {
  for (const each of given ?? []) {
    if (!all.includes(each as T)) throw new Error(`Cannot test ${what} ${each}: known are ${all.join(", ")}`);
  }
  return given === undefined ? all : (given as readonly T[]);
}

const { values, positionals } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true },
    mode: { type: "string", multiple: true },
  },
  allowPositionals: true,
});
const runtimes = chosen(values.runtime, Object.keys(commands) as RuntimeName[], "runtime");
const runner = await findRunner();
await generate();
// Only now, and not in the gate's own check of types: the suite's messages are not kept in the repository.
await run(join(root, "node_modules/.bin/tsc"), ["--project", join(root, "conformance")]);
let passed = 0;
let failed = 0;
for (const runtime of runtimes) {
  for (const mode of chosen(values.mode, modes, "mode")) {
    if (!isTestable(runtime, mode)) continue;
    const outcome = await test(runner, runtime, mode, positionals);
    passed += outcome.passed;
    failed += outcome.failed;
    if (outcome.failed > 0) console.log(outcome.output);
    console.log(`${runtime} ${mode}: ${outcome.passed} of ${outcome.passed + outcome.failed} cases passed`);
  }
}
console.log(`conformance: ${passed} passed, ${failed} failed`);
// What ran no case has proved nothing.
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
