import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "./tools.ts";

/** Ports of the loopback interface that are free now; a proxy cannot say which one the system chose. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server: Server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A proxy that runs. */
export interface RunningProxy {
  stop(): Promise<void>;
}

/** Starts a proxy in the foreground and waits until it takes connections on all ports. */
export async function startProxy(
  program: string,
  args: readonly string[],
  ports: readonly number[],
): Promise<RunningProxy> {
  let output = "";
  const child = spawn(program, args, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  const keep = (chunk: Buffer): void => {
    output = (output + chunk).slice(-4000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = once(child, "exit");
  ended.catch(() => {});
  for (const port of ports) await untilOpen(port, child, () => output);
  return {
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function untilOpen(port: number, child: ChildProcess, output: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended: ${output()}`);
    const socket = connect(port, "127.0.0.1");
    const open = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await sleep(20);
  }
}
