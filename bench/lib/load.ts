import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

async function tool(name: string, args: readonly string[]): Promise<string> {
  try {
    // The load stays on the second core; the server has the first one for itself.
    const { stdout } = await run("taskset", ["-c", "1", name, ...args], {
      timeout: 120_000,
      maxBuffer: 1 << 24,
    });
    return stdout;
  } catch (error) {
    if ((error as { stderr?: string }).stderr?.includes(`failed to execute ${name}`)) {
      throw new Error(
        `Cannot measure: ${name} is missing; install the Debian packages wrk and nghttp2-client`,
      );
    }
    throw error;
  }
}

/** Requests a second of an HTTP/1.1 route, 32 connections; throws when any response was not a success. */
export async function wrk(
  url: string,
  seconds: number,
  headers: readonly string[] = [],
  script?: string,
): Promise<number> {
  const stdout = await tool("wrk", [
    "-t1",
    "-c32",
    `-d${seconds}s`,
    ...headers.flatMap((header) => ["-H", header]),
    ...(script === undefined ? [] : ["-s", script]),
    url,
  ]);
  const failed = /Non-2xx or 3xx responses: (\d+)|Socket errors: connect (\d+), read (\d+)/.exec(stdout);
  if (failed !== null) throw new Error(`Cannot use the figure of ${url}: ${failed[0]}`);
  const figure = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
  if (figure === undefined) throw new Error(`Cannot read wrk's output: ${stdout}`);
  return Number(figure);
}

/** Unary gRPC calls a second, 4 connections with 16 streams each; throws when any response was not a 2xx. */
export async function h2loadGrpc(url: string, message: Uint8Array, seconds: number): Promise<number> {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  const file = join(mkdtempSync(join(tmpdir(), "mesh-bench-")), "frame.bin");
  writeFileSync(file, frame);
  const stdout = await tool("h2load", [
    "-t1",
    "-c4",
    "-m16",
    `-D${seconds}`,
    "--warm-up-time=1",
    "-d",
    file,
    "-H",
    "content-type: application/grpc",
    "-H",
    "te: trailers",
    url,
  ]);
  const requests = /requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored/.exec(stdout);
  if (requests === null || requests[3] !== "0" || requests[4] !== "0" || requests[2] === "0") {
    throw new Error(`Cannot use the figure of ${url}: ${requests?.[0] ?? stdout}`);
  }
  const figure = /finished in [\d.]+s, ([\d.]+) req\/s/.exec(stdout)?.[1];
  return Number(figure);
}
