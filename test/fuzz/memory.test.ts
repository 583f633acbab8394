import { describe, it } from "node:test";
import { anyBytes, rightRequests, wrongRequests } from "./http1-cases.ts";
import { bothSides, clientSide, serverSide } from "./http2-cases.ts";

const cases: readonly (readonly [
  what: string,
  count: number,
  run: (seed: number) => void | Promise<void>,
])[] = [
  ["HTTP/1.1: right requests are taken as they were meant", 200, rightRequests],
  ["HTTP/1.1: nothing behind a wrong request is taken for another one", 200, wrongRequests],
  ["HTTP/1.1: a connection survives whatever is sent, and ends each request", 400, anyBytes],
  ["HTTP/2: a server survives whatever is sent, and ends each stream", 300, serverSide],
  ["HTTP/2: a client survives whatever is sent, and ends each stream", 300, clientSide],
  ["HTTP/2: what one side says arrives as it was meant", 40, bothSides],
];

describe("generated and mutated connections in memory", () => {
  for (const [what, count, run] of cases) {
    it(what, async () => {
      for (let seed = 1; seed <= count; seed++) {
        try {
          await run(seed);
        } catch (error) {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
            cause: error,
          });
        }
      }
    });
  }
});
