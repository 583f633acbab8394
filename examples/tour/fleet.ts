import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** How one service is started. */
export interface ServiceSpec {
  readonly name: string;
  /** The runtime and its version, for people. */
  readonly runtime: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Where it writes what it prints. */
  readonly log: string;
  /** Whether it is ready for traffic. */
  readonly ready: () => Promise<boolean>;
}

interface Member {
  readonly spec: ServiceSpec;
  /** Counts the processes that played this part. */
  life: number;
  process: ChildProcess | undefined;
  exited: Promise<void>;
  /** Whether its end is ours to cause, so that nobody starts it again. */
  stopping: boolean;
}

const readyTimeoutMs = 20_000;
const stopTimeoutMs = 15_000;
const respawnDelayMs = 300;

/**
 * The services as processes: started, watched, started again when they die, and stopped without leaving
 * any behind. Each one is in a process group of its own, so that Ctrl-C reaches only this process; each
 * one ends by itself when the pipe to its standard input closes, so even `kill -9` here leaves none.
 */
export class Fleet {
  readonly #members = new Map<string, Member>();
  readonly #onRespawn: (name: string, signal: string) => void;
  #closing = false;

  constructor(onRespawn: (name: string, signal: string) => void = () => {}) {
    this.#onRespawn = onRespawn;
    process.on("exit", () => this.#killAll());
  }

  /** Starts a service; resolves with the milliseconds it took to become ready. */
  async start(spec: ServiceSpec): Promise<number> {
    const member: Member = { spec, life: 0, process: undefined, exited: Promise.resolve(), stopping: false };
    this.#members.set(spec.name, member);
    return this.#run(member);
  }

  pid(name: string): number {
    return this.#member(name).process?.pid ?? 0;
  }

  /** How many processes have played this part so far. */
  life(name: string): number {
    return this.#member(name).life;
  }

  /** Stops a service as an orchestrator would, with SIGTERM, and starts it again. */
  async restart(name: string): Promise<{ readonly stopMs: number; readonly startMs: number }> {
    const member = this.#member(name);
    const begun = performance.now();
    await this.#stop(member);
    const stopMs = performance.now() - begun;
    return { stopMs, startMs: await this.#run(member) };
  }

  /** Kills a service as a fault would; the watch over it starts it again. Resolves when it is ready. */
  async kill(name: string): Promise<number> {
    const member = this.#member(name);
    const begun = performance.now();
    const { life, exited } = member;
    member.process?.kill("SIGKILL");
    await exited;
    while (member.life === life && !this.#closing) await sleep(20);
    await this.#untilReady(member);
    return performance.now() - begun;
  }

  /** The end of what a service printed. */
  logTail(name: string, lines: number): string {
    const text = readFileSync(this.#member(name).spec.log, "utf8").trimEnd();
    return text.split("\n").slice(-lines).join("\n");
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** Drains every service, the one started last first, and waits for their ends. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const member of [...this.#members.values()].reverse()) await this.#stop(member);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`Cannot find service "${name}" in the fleet`);
    return member;
  }

  async #run(member: Member): Promise<number> {
    const begun = performance.now();
    this.#spawn(member);
    await this.#untilReady(member);
    return performance.now() - begun;
  }

  #spawn(member: Member): void {
    const { spec } = member;
    const [file, ...args] = spec.command;
    const log = createWriteStream(spec.log, { flags: "a" });
    const child = spawn(file, args, {
      env: { ...process.env, ...spec.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    member.process = child;
    member.stopping = false;
    member.life++;
    member.exited = new Promise((resolve) => {
      const over = (why: string): void => {
        log.end();
        member.process = undefined;
        resolve();
        if (!member.stopping && !this.#closing) void this.#respawn(member, why);
      };
      child.once("error", (error) => {
        log.write(`${error}\n`);
        over(error.message);
      });
      child.once("close", (code, signal) => over(signal ?? `exit code ${code}`));
    });
  }

  async #respawn(member: Member, why: string): Promise<void> {
    this.#onRespawn(member.spec.name, why);
    await sleep(respawnDelayMs);
    if (!this.#closing && member.process === undefined) this.#spawn(member);
  }

  async #untilReady(member: Member): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs;
    while (!(await member.spec.ready())) {
      if (member.process === undefined) {
        throw new Error(`Cannot reach ${member.spec.name}: the process ended before it was ready`);
      }
      if (performance.now() > deadline) {
        throw new Error(`Cannot reach ${member.spec.name}: not ready after ${readyTimeoutMs / 1000} s`);
      }
      await sleep(20);
    }
  }

  async #stop(member: Member): Promise<void> {
    member.stopping = true;
    const child = member.process;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await member.exited;
    clearTimeout(force);
  }

  #killAll(): void {
    for (const { process: child } of this.#members.values()) child?.kill("SIGKILL");
  }
}
