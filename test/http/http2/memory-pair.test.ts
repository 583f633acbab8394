import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConnectionOptions } from "../../../src/http/http2/connection-options.ts";
import { h2 } from "../../../src/http/http2/frame/frame-types.ts";
import { Http2Connection } from "../../../src/http/http2/http2-connection.ts";
import { type MemoryTransport, memoryPair } from "../../support/memory-transport.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { withoutTimers } from "../../support/without-timers.ts";
import { getFields, Host, Log, postFields } from "./connection-fixture.ts";

const limits: Omit<ConnectionOptions, "role" | "clock"> = {
  maxStreams: 100,
  maxHeaderListBytes: 16_384,
  streamWindowBytes: 65_535,
  connectionWindowBytes: 1024 * 1024,
  settingsTimeoutMs: 10_000,
};

/** What a listener adds of its own. */
const serverLimits: Partial<ConnectionOptions> = {
  idleMs: 300_000,
  stalledMs: 300_000,
  slowBodyMs: 60_000,
  headersTimeoutMs: 15_000,
};

interface End {
  readonly connection: Http2Connection;
  readonly transport: MemoryTransport;
  readonly host: Host;
}

function endOn(
  transport: MemoryTransport,
  clock: VirtualClock,
  role: "client" | "server",
  own: Partial<ConnectionOptions> = {},
): End {
  const host = new Host();
  const connection = new Http2Connection(transport, host, { ...limits, ...own, clock, role });
  transport.listen(connection);
  return { connection, transport, host };
}

interface Network {
  readonly clock: VirtualClock;
  readonly client: End;
  readonly server: End;
}

/** Runs a test of a client and a server over a pair in memory. */
function network(
  test: (network: Network) => Promise<void>,
  own: Partial<ConnectionOptions> = {},
): () => Promise<void> {
  return () =>
    withoutTimers(async () => {
      const clock = new VirtualClock();
      const [left, right] = memoryPair(clock);
      const client = endOn(left, clock, "client");
      const server = endOn(right, clock, "server", { ...serverLimits, ...own });
      await clock.advance(0);
      assert.deepEqual([client.host.settings, server.host.settings], [1, 1]);
      await test({ clock, client, server });
    });
}

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);
const never = (): Log => new Log();

describe("an HTTP/2 client and server over a pair in memory, on a virtual clock", () => {
  it(
    "exchange a request and a response with trailers",
    network(async ({ clock, client, server }) => {
      server.host.serve = (stream, _fields, log) => {
        log.act = (event) => {
          if (event !== "end") return;
          stream.respond([":status", "200"], false);
          stream.write(bytes(log.bytes));
          stream.endWithTrailers(["x-sum", String(log.bytes)]);
        };
      };
      const log = new Log();
      client.connection.request(postFields, log).write(bytes(5), true);
      await clock.advance(0);
      assert.deepEqual(log.events, ["headers 200", "data 5", "trailers x-sum=5", "end", "close"]);
      assert.deepEqual(server.host.streams[0]!.log.events, ["data 5", "end", "close"]);
      assert.deepEqual([server.host.open, client.host.errors, server.host.errors], [0, [], []]);
    }),
  );

  it(
    "stream no more than a slow reader takes",
    network(async ({ clock, client, server }) => {
      const total = 4 * 1024 * 1024;
      let written = 0;
      server.host.serve = (stream, _fields, log) => {
        stream.respond([":status", "200"], false);
        const more = (): void => {
          while (written < total) {
            written += 16_384;
            if (!stream.write(bytes(16_384), written === total)) return;
          }
        };
        log.act = (event) => {
          if (event === "drain") more();
        };
        more();
      };
      const log = new Log();
      const stream = client.connection.request(getFields, log);
      stream.end();
      stream.pause();
      await clock.advance(60_000);
      // The window, what the writer may queue beyond it, and no more.
      assert.ok(written <= 65_535 + 64 * 1024, `${written} bytes were written for a reader that took none`);
      assert.equal(log.bytes, 0);
      for (let read = 0; read < 10_000 && !log.events.includes("end"); read++) {
        stream.resume();
        await clock.advance(0);
        if (log.events.includes("end")) break;
        stream.pause();
        await clock.advance(100);
        assert.ok(written - log.bytes <= 65_535 + 64 * 1024, `${written - log.bytes} bytes wait`);
      }
      assert.deepEqual([log.bytes, written, stream.closeReason], [total, total, "complete"]);
    }),
  );

  it(
    "wait for a transport that takes nothing, and go on when it does",
    network(async ({ clock, client, server }) => {
      server.host.serve = (stream) => {
        stream.respond([":status", "200"], false);
        for (let at = 0; at < 8; at++) stream.write(bytes(8_192), at === 7);
      };
      server.transport.cut = true;
      const logs = Array.from({ length: 20 }, () => {
        const log = new Log();
        client.connection.request(getFields, log).end();
        return log;
      });
      await clock.advance(1_000);
      assert.ok(server.connection.frameWriter.congested);
      // One write more than it has room for, at most.
      assert.ok(server.transport.waitingBytes < 192 * 1024, `${server.transport.waitingBytes} bytes`);
      server.transport.mend();
      await clock.advance(0);
      assert.deepEqual(
        logs.map(({ bytes: heard }) => heard),
        logs.map(() => 65_536),
      );
    }),
  );

  it("end a connection whose peer sends no SETTINGS, at the time that is allowed for it", () =>
    withoutTimers(async () => {
      const clock = new VirtualClock();
      const [left] = memoryPair(clock);
      const client = endOn(left, clock, "client");
      await clock.advance(9_999);
      assert.equal(client.host.closed, 0);
      await clock.advance(1);
      assert.equal(client.host.closed, 1);
      assert.match(String(client.host.error), /SETTINGS/);
    }));

  it(
    "acknowledge pings, and tell of one that was not acknowledged when the connection ends",
    network(async ({ clock, client, server }) => {
      const responses: boolean[] = [];
      client.connection.ping((alive) => responses.push(alive));
      await clock.advance(0);
      assert.deepEqual(responses, [true]);
      server.transport.cut = true;
      client.connection.ping((alive) => responses.push(alive));
      await clock.advance(60_000);
      assert.deepEqual(responses, [true]);
      client.connection.destroy(h2.cancel);
      assert.deepEqual(responses, [true, false]);
    }),
  );

  it(
    "give up a peer with an open stream that does not acknowledge a ping",
    network(async ({ clock, client, server }) => {
      const log = new Log();
      client.connection.request(getFields, log).end();
      await clock.advance(0);
      assert.equal(server.host.open, 1);
      client.transport.cut = true;
      await clock.advance(300_000 + 60_000 - 1);
      assert.equal(server.host.closed, 0);
      await clock.advance(120_000);
      assert.deepEqual([server.host.closed, server.host.open], [1, 0]);
      assert.match(String(server.host.error), /ping/);
    }),
  );

  it(
    "reset a stream whose response is not taken",
    network(async ({ clock, client, server }) => {
      server.host.serve = (stream) => {
        stream.respond([":status", "200"], false);
        stream.write(bytes(200_000), true);
      };
      const log = new Log();
      const stream = client.connection.request(getFields, log);
      stream.end();
      stream.pause();
      await clock.advance(300_000);
      assert.equal(server.host.open, 1);
      await clock.advance(20_000);
      assert.deepEqual([server.host.open, stream.closeReason, stream.rstCode], [0, "peer-reset", h2.cancel]);
    }),
  );

  it(
    "drain: what is open ends well, what comes late is refused, and then the transports close",
    network(async ({ clock, client, server }) => {
      const first = new Log();
      client.connection.request(getFields, first).end();
      await clock.advance(0);
      server.connection.close();
      // On its way when the GOAWAY is: taken all the same.
      const second = new Log();
      client.connection.request(getFields, second).end();
      await clock.advance(0);
      assert.equal(client.connection.usable, false);
      assert.deepEqual([client.host.goaways, server.host.streams.length], [[h2.noError, h2.noError], 2]);
      for (const { stream } of server.host.streams) stream.respond([":status", "204"], true);
      await clock.advance(0);
      assert.deepEqual(first.events, ["headers 204 ended", "end", "close"]);
      assert.deepEqual(second.events, first.events);
      await clock.advance(2_000);
      assert.deepEqual([client.host.closed, server.host.closed], [1, 1]);
      assert.deepEqual([client.transport.closed, server.transport.closed], [true, true]);
      assert.equal(clock.pending, 0);
    }),
  );

  it(
    "refuse after a second what a client sends that has not heard of the GOAWAY",
    network(async ({ clock, client, server }) => {
      client.connection.request(getFields, never()).end();
      await clock.advance(0);
      server.transport.cut = true;
      server.connection.close();
      await clock.advance(1_000);
      const late = new Log();
      const stream = client.connection.request(getFields, late);
      stream.end();
      await clock.advance(0);
      assert.equal(server.host.streams.length, 1);
      server.transport.mend();
      await clock.advance(0);
      assert.deepEqual([stream.closeReason, stream.neverStarted], ["refused", true]);
    }),
  );

  it(
    "close an idle connection, and leave nothing behind",
    network(async ({ clock, client, server }) => {
      client.connection.request(getFields, never()).end();
      await clock.advance(0);
      server.host.streams[0]!.stream.respond([":status", "204"], true);
      await clock.advance(300_000);
      assert.equal(server.host.closed, 0);
      await clock.advance(120_000);
      assert.deepEqual([client.host.closed, server.host.closed], [1, 1]);
      assert.deepEqual([client.host.error, server.host.error], [undefined, undefined]);
      assert.equal(clock.pending, 0);
    }),
  );

  it(
    "reset a transport whose peer neither reads nor leaves, two seconds after the end",
    network(async ({ clock, client, server }) => {
      server.transport.cut = true;
      server.connection.destroy(h2.internalError, new Error("broken"));
      assert.deepEqual([server.host.closed, server.transport.closed], [1, false]);
      await clock.advance(1_999);
      assert.equal(server.transport.closed, false);
      await clock.advance(1);
      assert.equal(server.transport.closed, true);
      assert.equal(client.host.closed, 1);
      assert.equal(clock.pending, 0);
    }),
  );
});
