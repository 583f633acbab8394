/*
 * The mesh's client on whatever runtime runs this file, through proxies:
 *
 *     proxied-client.ts ROUNDS '{"origin":"http://127.0.0.1:1234","callers":["rest","connect/1.1","grpc"]}'...
 *
 * Prints a line of JSON for each origin and caller: how many calls were made, and what went wrong.
 */
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { createMesh, type RpcProtocol, staticResolver } from "@datapunk/mesh";
import { TestService } from "../../gen/test/grpc/testing/test_pb.ts";
import { duplexCases, restCases, rpcCases } from "./proxied-cases.ts";

/** What is called, and how: `rest`, or a protocol of RPC with a version of HTTP; `one-way` leaves bidirectional streams out. */
export interface ProxiedTarget {
  readonly name: string;
  readonly origin: string;
  readonly callers: readonly string[];
}

/** What became of it. */
export interface ProxiedReport {
  readonly name: string;
  readonly caller: string;
  readonly calls: number;
  readonly problems: Readonly<Record<string, number>>;
}

const sizes = [0, 1, 100, 1023, 5000, 16_384, 40_000, 70_000];
const atOnce = 8;

const [rounds = "1", ...targets] = process.argv.slice(2);
for (const each of targets) {
  const { name, origin, callers } = JSON.parse(each) as ProxiedTarget;
  const mesh = createMesh({
    service: "tester",
    resolver: staticResolver({ test: [origin] }),
    // A call that only a repetition saves is a fault here, and each call counts.
    policies: { test: { retry: false, breaker: false, timeoutMs: 20_000 } },
  });
  for (const caller of callers) {
    const runs = runsOf(caller);
    const problems: Record<string, number> = {};
    let calls = 0;
    const work = Array.from({ length: Number(rounds) }, (_, round) => round);
    const worker = async (): Promise<void> => {
      for (let round = work.pop(); round !== undefined; round = work.pop()) {
        for (const [title, run] of runs) {
          calls++;
          await run(sizes[(round + calls) % sizes.length]!).catch((error: unknown) => {
            const problem = `${title}: ${problemOf(error)}`;
            problems[problem] = (problems[problem] ?? 0) + 1;
          });
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    console.log(JSON.stringify({ name, caller, calls, problems } satisfies ProxiedReport));
  }
  await mesh.close();

  function runsOf(caller: string): [string, (size: number) => Promise<void>][] {
    if (caller === "rest") {
      const rest = mesh.rest("test");
      return Object.entries(restCases).map(([title, run]) => [title, (size) => run(rest, size)]);
    }
    const [protocol, httpVersion, oneWay] = caller.split("/") as [RpcProtocol, "1.1" | "2", string?];
    const client = createClient(TestService, mesh.transport("test", { protocol, httpVersion }));
    const cases = httpVersion === "2" && oneWay === undefined ? { ...rpcCases, ...duplexCases } : rpcCases;
    return Object.entries(cases).map(([title, run]) => [title, (size) => run(client, size)]);
  }
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : ` (${String(error.cause)})`;
  return `${error.message.replaceAll(/\s+/g, " ")}${cause}`;
}
