import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import process from "node:process";
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

/** Resolves when the server has opened this port. */
export async function untilListening(port: number, server: ChildProcess): Promise<void> {
  while (!(await isOpen(port))) {
    if (server.exitCode !== null) assert.fail(`The server ended with ${server.exitCode}`);
    await sleep(50);
  }
}

/** Whether somebody listens there. */
async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
