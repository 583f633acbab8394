import type { Socket } from "node:net";
import { within } from "../net/listen/listener-fixture.ts";
import { Dice } from "../support/dice.ts";
import { connected, hostileScript } from "./clients.ts";
import { callHostile } from "./peers.ts";
import { closes, play } from "./script.ts";
import { bareServer, type FuzzedServer, meshServer, steadyHttp1, steadyLeaf, steadyRpc } from "./servers.ts";
import { ErrorWatch } from "./watch.ts";

/** Where a run stands. */
export interface FuzzRun {
  /** Lets hostile peers loose; gives what went wrong, nothing when all is well. */
  batch(seed: number): Promise<string[]>;
  /** Ends it, and says what went wrong with that. */
  close(): Promise<string[]>;
}

/** A connection that its client has said goodbye on, and the seed of what it did. */
interface Left {
  readonly seed: number;
  readonly socket: Socket;
}

async function attack(server: FuzzedServer, seed: number, left: Left[]): Promise<string[]> {
  const socket = await connected(server.port);
  if (socket === undefined) return [`${server.name} takes no connection`];
  await play(socket, hostileScript(new Dice(seed)));
  left.push({ seed, socket });
  return [];
}

/** Waits until nothing is in flight, and lets the time of every limit pass when that does not suffice. */
async function isIdle(server: FuzzedServer): Promise<boolean> {
  const busy = (): boolean => server.inFlight > 0 || server.openCalls > 0;
  for (let turn = 0; turn < 2_000 && busy(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (turn > 100 && turn < 200) server.skip(10_000);
  }
  return !busy();
}

/** Which of these attacks leaves something behind when it comes alone. */
async function culprits(server: FuzzedServer, seeds: readonly number[]): Promise<string[]> {
  const found: string[] = [];
  for (const seed of seeds) {
    const before = server.inFlight + server.openCalls;
    await attack(server, seed, []);
    await isIdle(server);
    if (server.inFlight + server.openCalls > before) found.push(`the attack ${seed} leaves something behind`);
  }
  return found;
}

async function settled(server: FuzzedServer, left: readonly Left[]): Promise<string[]> {
  const problems: string[] = [];
  if (!(await isIdle(server))) {
    problems.push(
      ...(await culprits(
        server,
        left.map(({ seed }) => seed),
      )),
    );
    problems.push(
      `${server.name} counts ${server.inFlight} requests, ${server.openCalls} calls without an end`,
    );
  }
  for (const { seed, socket } of left) {
    if (!(await closes(socket, 8_000)))
      problems.push(`${server.name} keeps the connection of the attack ${seed}`);
    socket.destroy();
  }
  server.seen.clear();
  return problems;
}

/** Opens the servers of a run. */
export async function openRun(): Promise<FuzzRun> {
  const watch = new ErrorWatch();
  watch.start();
  const servers = [await bareServer(), await meshServer()];
  const transports = servers.map((server) => steadyLeaf(server, "grpc"));
  return {
    async batch(seed) {
      const dice = new Dice(seed);
      const running: Promise<string[]>[] = [];
      const bounded = (what: string, promise: Promise<string[]>): Promise<string[]> =>
        within(promise, what, 20_000).catch((error: Error) => [error.message]);
      const left: Left[][] = servers.map(() => []);
      for (const [at, server] of servers.entries()) {
        for (let count = 6; count > 0; count--)
          running.push(bounded("a hostile client", attack(server, dice.seed(), left[at]!)));
        running.push(
          steadyHttp1(server, new Dice(dice.seed())),
          steadyRpc(server, transports[at]!, new Dice(dice.seed())),
        );
        running.push(bounded("right and wrong requests", steadyHttp1(server, new Dice(dice.seed()), true)));
      }
      for (let count = 2; count > 0; count--)
        running.push(bounded("calls to a hostile server", callHostile(dice.seed())));
      const problems = (await Promise.all(running)).flat();
      for (const [at, server] of servers.entries()) {
        problems.push(...(await settled(server, left[at]!)));
        const fresh = steadyLeaf(server, "connect");
        problems.push(...(await bounded("right requests", steadyHttp1(server, dice))));
        problems.push(...(await bounded("right RPCs", steadyRpc(server, fresh, dice))));
        await within(fresh.close(), "the end of a leaf");
      }
      problems.push(...watch.seen.splice(0).map((error) => `unhandled: ${textOf(error)}`));
      return problems;
    },
    async close() {
      const problems: string[] = [];
      for (const transport of transports) await transport.close();
      for (const server of servers) {
        await within(server.close(), `the end of ${server.name}`).catch((error: Error) =>
          problems.push(error.message),
        );
      }
      watch.stop();
      return problems;
    },
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
