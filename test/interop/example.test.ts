import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import { bin, findCurl, needs, output, root } from "./support/tools.ts";

const timeout = 55_000;
const curl = findCurl();

interface Started {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  /** What it has printed so far. */
  readonly account: () => string;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
}

function start(...args: string[]): Started {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(bin("node"), ["examples/start.ts", ...args], {
    cwd: root,
    env: { ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  return { child, account: () => text, ended };
}

/** The ports of the services, as the account names them. */
function portsOf(account: string): number[] {
  return [...account.matchAll(/^ {3}(?:gateway|lake|stream) +https?:\/\/localhost:(\d+)/gm)].map(([, port]) =>
    Number(port),
  );
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

describe("npm start", () => {
  it("is this script", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    assert.equal(scripts.start, "node examples/start.ts");
  });

  it("ends after the tour with 0 and an account of it, when told --once", { timeout }, async (t) => {
    const { child, account, ended } = start("--once");
    t.signal.addEventListener("abort", () => child.kill());
    const code = await ended;
    const text = account();
    assert.equal(code, 0, text);
    assert.match(text, /^ {3}gateway +Node \d+\.\d+/m);
    assert.match(text, /^ {3}lake +Deno \d+\.\d+/m);
    assert.match(text, /^ {3}stream +Bun \d+\.\d+/m);
    const [, totals = ""] = text.split("Who called whom");
    for (const [from, to, protocol, operation] of [
      ["you", "gateway (Node)", "REST", "PUT /api/datasets/:name"],
      ["you", "gateway (Node)", "gRPC", "NexusService/ListDatasets"],
      ["you", "gateway (Node)", "gRPC-Web", "NexusService/ListDatasets"],
      ["you", "gateway (Node)", "Connect", "NexusService/ListDatasets"],
      ["gateway (Node)", "lake (Deno)", "REST", "PUT /datasets/:name"],
      ["gateway (Node)", "lake (Deno)", "gRPC", "LakeService/QueryRows"],
      ["gateway (Node)", "stream (Bun)", "gRPC", "StreamService/PublishMany"],
      ["gateway (Node)", "stream (Bun)", "Connect", "StreamService/ListTopics"],
      ["lake (Deno)", "stream (Bun)", "gRPC", "StreamService/Publish"],
    ]) {
      const line = totals
        .split("\n")
        .find((each) => [from, to, protocol, operation].every((part) => each.includes(part!)));
      assert.ok(line, `${from} → ${to} ${protocol} ${operation} in:${totals}`);
    }
    assert.match(totals, /lake \(Deno\) .*\d+ retried/);
    assert.match(text, /\d+ requests by \d+ clients: none failed/);
    assert.match(text, /refused during the handshake/);
  });

  it("stays until Ctrl-C, and every line that it offers to paste works", {
    timeout,
    ...needs(curl, "curl with HTTP/2"),
  }, async (t) => {
    const { child, account, ended } = start();
    t.signal.addEventListener("abort", () => child.kill());
    while (!account().includes("until Ctrl-C")) {
      const piece = await Promise.race([once(child.stdout, "data"), ended]);
      if (!Array.isArray(piece)) assert.fail(`It ended with ${piece}: ${account()}`);
    }
    const lines = [...account().matchAll(/^ {3}((?:curl|npx buf) .*)$/gm)].map(([, line]) => line!);
    assert.ok(lines.length >= 10, account());
    for (const line of lines) {
      const printed = await output("sh", ["-c", line.replace(/^npx buf/, bin("buf"))]);
      assert.match(printed, /seattle-weather|"rows":406|"weather":"snow"|"earthquakes"/, line);
    }
    const ports = portsOf(account());
    assert.deepEqual(await Promise.all(ports.map(isOpen)), [true, true, true]);
    const folder = /--cacert (\S+)\/tls\//.exec(account())?.[1] ?? "";
    assert.ok(existsSync(folder));
    child.kill("SIGINT");
    assert.equal(await ended, 0, account());
    assert.match(account(), /All services drained and stopped/);
    assert.equal(existsSync(folder), false, "the temporary folder is gone");
    assert.deepEqual(await Promise.all(ports.map(isOpen)), [false, false, false]);
  });
});
