import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A fenced block of a document. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** The file that the first line names, if it names one. */
  readonly file: string | undefined;
  /** The heading of the second level that it is below; empty before the first. */
  readonly section: string;
}

/** The fenced blocks of a document, in their order. */
export function blocksOf(markdown: string): readonly Block[] {
  let section = "";
  const blocks: Block[] = [];
  for (const [, heading, language = "", text = ""] of markdown.matchAll(
    /^## ([^\n]*)$|^```(\w*)\n(.*?)^```$/gms,
  )) {
    if (heading !== undefined) section = heading;
    else blocks.push({ language, text, section, file: /^(?:\/\/|#) (\S+\.\w+|\w*file)\n/i.exec(text)?.[1] });
  }
  return blocks;
}

/** Starts a program in place of the shell, so that it is the program which is stopped. */
export function startServer(line: string, cwd: string, env: object = {}): ChildProcess {
  return spawn("sh", ["-c", `exec ${line}`], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 55_000,
  });
}

/** Sends a signal, unless the server has ended already; resolves with its exit code when it has. */
export async function stopServer(
  server: ChildProcess,
  signal: NodeJS.Signals = "SIGKILL",
): Promise<number | null> {
  if (server.exitCode === null && server.signalCode === null) {
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  }
  return server.exitCode;
}

/** Resolves when the server responds at this port, whatever it says. */
export async function untilListening(port: number, server: ChildProcess): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
    await response?.body?.cancel();
    if (response !== undefined) return;
    if (server.exitCode !== null) assert.fail(`The server ended with ${server.exitCode}`);
    await sleep(50);
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
