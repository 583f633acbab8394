import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { bin, root } from "./tools.ts";

/** The runtimes that open a port, and how each runs a file. */
export const runtimes = { node: [], deno: ["run", "--allow-all", "--no-prompt"], bun: ["run"] } as const;
export type RuntimeName = keyof typeof runtimes;
export const runtimeNames = Object.keys(runtimes) as RuntimeName[];

/** The command that runs a file of this folder on a runtime. */
export function commandOf(runtime: RuntimeName, file: string, ...args: string[]): [string, string[]] {
  return [bin(runtime), [...runtimes[runtime], join(root, "test/interop/support", file), ...args]];
}

/** A server in a process of its own. */
export interface Program {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a server that prints `{"port":…}` when it is ready, and ends with the pipe to it. */
export async function startProgram(
  [program, args]: readonly [program: string, args: readonly string[]],
  env: Record<string, string> = {},
): Promise<Program> {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const ended = once(child, "exit");
  ended.catch(() => {});
  for await (const line of createInterface({ input: child.stdout })) {
    const { port } = JSON.parse(line) as { port: number };
    const stop = async (): Promise<void> => {
      child.kill("SIGKILL");
      await ended;
    };
    return { port, stop };
  }
  throw new Error(`${program} ${args.join(" ")} ended before it was ready`);
}
