import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { type Client, Code, createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import type { TransportOptions } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { Cleanup, deferred } from "./grpc-checks.ts";
import { answer, open, request, serve, serveRaw, session } from "./grpc-fixture.ts";
import { answerFrame, frame } from "./grpc-frames.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function meshClient(
  origin: string,
  clock: VirtualClock,
  options: TransportOptions = {},
  backoff: () => number = () => 0,
): Client<typeof EchoService> {
  const mesh = createMesh({
    service: "tester",
    resolver: staticResolver({ echo: [origin] }),
    policies: { echo: { retry: { budget: false, backoff } } },
    clock,
  });
  cleanup.add(() => mesh.close());
  return createClient(EchoService, mesh.transport("echo", options));
}

/** The response of a server that is not available just now. */
const unavailable = {
  ":status": 200,
  "content-type": "application/grpc",
  "grpc-status": String(Code.Unavailable),
};

describe("the time that a gRPC call has", () => {
  it("is said to the server, in whole units of at most eight digits", async () => {
    const seen: unknown[] = [];
    const origin = await serveRaw(cleanup, (stream, _index, _breakOff, headers) => {
      seen.push(headers["grpc-timeout"]);
      answer(stream, "");
    });
    const { client } = open(cleanup, origin, { clock: new VirtualClock() });
    for (const timeoutMs of [1500, 0.2, 99_999_999, 100_000_000, 99_999_999_001, 6e12, 1e15]) {
      await client.echo({ text: "" }, { timeoutMs });
    }
    await client.echo({ text: "" });
    const written = ["1500m", "1m", "99999999m", "100000S", "1666667M", "1666667H", undefined, undefined];
    assert.deepEqual(seen, written);
  });

  it("is read by the server in every unit, and refused when it is malformed", async () => {
    const seen: (number | undefined)[] = [];
    const { origin } = await serve(cleanup, {
      check: (_call, { timeoutMs }) => {
        seen.push(timeoutMs);
      },
      clock: new VirtualClock(),
    });
    const http2 = session(cleanup, origin);
    const units = { "2H": 7_200_000, "3M": 180_000, "4S": 4000, "5m": 5, "6000u": 6, "7000000n": 7 };
    for (const value of Object.keys(units)) {
      const { trailers } = await request(http2, { "grpc-timeout": value }, frame());
      assert.equal(trailers["grpc-status"], "0", value);
    }
    assert.deepEqual(
      seen.map((timeoutMs) => Math.round(timeoutMs ?? Number.NaN)),
      Object.values(units),
    );
    for (const value of ["123456789m", "5", "m", "5s", "-5m", "5.5S"]) {
      const { headers } = await request(http2, { "grpc-timeout": value }, frame());
      assert.equal(headers["grpc-status"], String(Code.InvalidArgument), value);
      assert.equal(headers["grpc-message"], `protocol error: invalid grpc-timeout: ${value}`);
    }
  });

  it("is what remains of it, on every attempt of a repeated call", async () => {
    const clock = new VirtualClock();
    const seen: unknown[] = [];
    const origin = await serveRaw(cleanup, (stream, index, _breakOff, headers) => {
      seen.push(headers["grpc-timeout"]);
      // The first attempt takes 400 ms.
      if (index > 0) answer(stream, "well");
      else void clock.advance(400).then(() => stream.respond(unavailable, { endStream: true }));
    });
    const waiting = deferred();
    const client = meshClient(origin, clock, { protocol: "grpc" }, () => {
      waiting.resolve();
      return 250;
    });
    const answered = client.get({ text: "" }, { timeoutMs: 2000 });
    await waiting.promise;
    await clock.advance(250);
    assert.equal((await answered).text, "well");
    assert.deepEqual(seen, ["2000m", "1350m"]);
  });

  it("is what remains of it when the call is repeated in another protocol", async () => {
    const clock = new VirtualClock();
    const seen: unknown[] = [];
    const origin = await serveRaw(cleanup, (stream, index, _breakOff, headers) => {
      seen.push([headers["content-type"], headers["grpc-timeout"] ?? headers["connect-timeout-ms"]]);
      if (index === 0) {
        void clock.advance(400).then(() => stream.respond({ ":status": 415 }, { endStream: true }));
      } else {
        stream.respond({ ":status": 200, "content-type": "application/proto" });
        stream.end(answerFrame("by Connect").subarray(5));
      }
    });
    const client = meshClient(origin, clock);
    assert.equal((await client.echo({ text: "" }, { timeoutMs: 2000 })).text, "by Connect");
    assert.equal((await client.echo({ text: "" }, { timeoutMs: 2000 })).text, "by Connect");
    assert.deepEqual(seen, [
      ["application/grpc+proto", "2000m"],
      ["application/proto", "1600"],
      ["application/proto", "2000"],
    ]);
  });

  it("costs no timer per call, by itself or in a mesh", async () => {
    for (const inMesh of [true, false]) {
      const clock = new VirtualClock();
      const arrived: (() => void)[] = [];
      let streams: Parameters<typeof answer>[0][] = [];
      const origin = await serveRaw(cleanup, (stream) => {
        streams.push(stream);
        arrived.shift()?.();
      });
      const client = inMesh
        ? meshClient(origin, clock, { protocol: "grpc" })
        : open(cleanup, origin, { clock }).client;
      const timers: number[] = [];
      for (const calls of [1, 1, 10]) {
        const begun = Array.from({ length: calls }, () => {
          const signal = deferred();
          arrived.push(() => signal.resolve());
          return signal.promise;
        });
        const responses = begun.map(() => client.echo({ text: "" }, { timeoutMs: 5_000 }));
        await Promise.all(begun);
        timers.push(clock.pending);
        for (const stream of streams) answer(stream, "well");
        await Promise.all(responses);
        streams = [];
      }
      assert.equal(timers[2], timers[1]);
    }
  });
});
