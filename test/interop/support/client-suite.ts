import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { commandOf, type Program, runtimeNames, startProgram } from "./programs.ts";
import { output } from "./tools.ts";

type Command = readonly [program: string, args: readonly string[]];

interface Possible {
  readonly skip: string | false;
}

/** Has a client run the cases, all in one process, and reports on each. */
function describeCases(
  title: string,
  cases: readonly string[],
  { skip }: Possible,
  client: () => Command,
): void {
  describe(title, () => {
    const problems = new Map<string, string | undefined>();
    before(async () => {
      if (skip !== false) return;
      for (const line of (await output(...client())).trim().split("\n")) {
        const { name, problem } = JSON.parse(line) as { name: string; problem?: string };
        problems.set(name, problem);
      }
    });

    for (const name of cases) {
      it(`agree on ${name.replaceAll("_", " ")}`, { skip }, () => {
        assert.ok(problems.has(name), "the client ended before it came to this");
        assert.equal(problems.get(name), undefined);
      });
    }
  });
}

/** Has the mesh's client on each runtime run the cases against a server of another make. */
export function describeClients(
  server: string,
  cases: readonly string[],
  start: () => Promise<Program>,
  possible: Possible = { skip: false },
): void {
  describe(`the mesh's client and ${server}`, () => {
    let program: Program | undefined;
    before(async () => {
      if (possible.skip === false) program = await start();
    });
    after(() => program?.stop());

    for (const runtime of runtimeNames) {
      describeCases(`on ${runtime}`, cases, possible, () =>
        commandOf(runtime, "grpc-client.ts", `http://127.0.0.1:${program!.port}`, ...cases),
      );
    }
  });
}

/** Has a client of another make run the cases against the mesh's server on each runtime. */
export function describeServers(
  client: string,
  cases: readonly string[],
  run: (port: number) => Command,
  possible: Possible = { skip: false },
): void {
  describe(`${client} and the mesh's server`, () => {
    for (const runtime of runtimeNames) {
      let program: Program | undefined;
      before(async () => {
        if (possible.skip === false) program = await startProgram(commandOf(runtime, "grpc-server.ts"));
      });
      after(() => program?.stop());
      describeCases(`on ${runtime}`, cases, possible, () => run(program!.port));
    }
  });
}
