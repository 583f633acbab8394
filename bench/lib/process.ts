import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A runtime that a target can run on. */
export type BenchRuntime = "node" | "deno" | "bun";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string): string => `${root}node_modules/.bin/${name}`;

const launchers: Readonly<Record<BenchRuntime, readonly string[]>> = {
  node: [bin("node"), "--no-warnings", "--expose-gc"],
  deno: [bin("deno"), "run", "-A", "--no-check", "--quiet"],
  bun: [bin("bun"), "run"],
};

/** A started target: a server that listens, or a client that has connected and measured. */
export interface Target {
  /** What it said in its one line of JSON. */
  readonly hello: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function launch(runtime: BenchRuntime, file: string, args: readonly string[], cpu: number): ChildProcess {
  const [command = "", ...rest] = launchers[runtime];
  const child = spawn(
    "taskset",
    ["-c", String(cpu), command, ...rest, `${root}bench/targets/${file}`, ...args],
    {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_ENV: "production" },
    },
  );
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Runs a target until it has said its line of JSON; servers then go on until `stop()`. */
export async function start(
  runtime: BenchRuntime,
  file: string,
  args: readonly string[],
  options: { readonly cpu: number; readonly timeoutMs?: number },
): Promise<Target> {
  const child = launch(runtime, file, args, options.cpu);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
  try {
    if (child.stdout === null) throw new Error(`Cannot read from ${file}: it has no stdout`);
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith("{")) return { hello: JSON.parse(line) as Record<string, number>, stop };
    }
    throw new Error(`Cannot measure ${file} ${args.join(" ")} on ${runtime}: it ended before it was ready`);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a target to its end and returns what it measured. */
export async function measureIn(
  runtime: BenchRuntime,
  file: string,
  args: readonly string[],
  cpu: number,
): Promise<Readonly<Record<string, number>>> {
  const target = await start(runtime, file, args, { cpu });
  await target.stop();
  return target.hello;
}
