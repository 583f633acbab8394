import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** How a process is run. */
export interface RunOptions {
  readonly cwd: string;
  /** The process and all its children are stopped after this time. */
  readonly timeoutMs: number;
  readonly env?: object;
  /** Is shown every line of stdout; the lines it takes (returns true for) are left out of the output. */
  readonly takeLine?: (line: string) => boolean;
}

/** How a process ended. */
export interface Finished {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** The end of what it wrote to stdout and stderr. */
  readonly output: string;
}

const outputLimit = 200_000;
const graceMs = 1_000;
const running = new Set<ChildProcess>();

/** Runs a program in a process group of its own, and resolves when it has ended or was stopped. */
export async function runProcess(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<Finished> {
  const { cwd, timeoutMs, env, takeLine } = options;
  // Node refuses to run tests when it believes to be inside a test file.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const child = spawn(program, args, {
    cwd,
    detached: true,
    env: { ...inherited, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  const keep = (text: string): void => {
    output = (output + text).slice(-outputLimit);
  };
  const readLines = async (input: Readable, take?: (line: string) => boolean): Promise<void> => {
    for await (const line of createInterface({ input })) if (!take?.(line)) keep(`${line}\n`);
  };
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGTERM"); // Node's test runner then names what it was waiting for.
    setTimeout(() => killGroup(child), graceMs).unref();
  }, timeoutMs);
  try {
    const [[exitCode, signal]] = await Promise.all([
      exitOf(child),
      readLines(child.stdout, takeLine),
      readLines(child.stderr),
    ]);
    return { exitCode, signal, timedOut, output };
  } finally {
    clearTimeout(timer);
    running.delete(child);
    killGroup(child); // Whatever the program left behind.
  }
}

/** Stops every process that is still running; for signal handlers. */
export function stopAll(): void {
  for (const child of running) killGroup(child);
}

function exitOf(child: ChildProcess): Promise<[number | null, string | null]> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      resolve([code, signal]);
      killGroup(child); // A grandchild that holds the pipes open would keep us waiting.
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group has ended.
  }
}
