import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TransportListener } from "../../../src/http/byte-transport.ts";
import type { Http1ConnectionHandler } from "../../../src/http/http1/connection-handler.ts";
import { Http1Connection } from "../../../src/http/http1/http1-connection.ts";
import type { Http1Exchange } from "../../../src/http/http1/http1-exchange.ts";
import { type MemoryTransport, memoryPair } from "../../support/memory-transport.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { withoutTimers } from "../../support/without-timers.ts";
import { bytesOf, getRequest, respondOk, testConnection, testLimits } from "./connection-fixture.ts";

const decoder = new TextDecoder();

/** A client that says what it is told to, and remembers what it hears. */
class RawClient implements TransportListener {
  readonly transport: MemoryTransport;
  heard = "";
  ended = false;
  error: Error | undefined = undefined;

  constructor(transport: MemoryTransport) {
    this.transport = transport;
    transport.listen(this);
  }

  send(text: string): void {
    this.transport.write([text]);
  }

  receive(chunk: Uint8Array): void {
    this.heard += decoder.decode(chunk);
  }

  drained(): void {}

  peerEnded(): void {
    this.ended = true;
  }

  lost(error: Error | undefined): void {
    this.error = error;
  }
}

interface Network {
  readonly client: RawClient;
  readonly server: MemoryTransport;
  readonly errors: string[];
  /** Lets time pass, with a look at the connection each second, as its owner has it. */
  pass(ms: number): Promise<void>;
}

/** Runs a test of a server with a client at the other end of a pair in memory. */
function network(
  onRequest: (exchange: Http1Exchange) => void,
  test: (network: Network) => Promise<void>,
): () => Promise<void> {
  return () =>
    withoutTimers(async () => {
      const clock = new VirtualClock();
      const time = { now: clock.now(), wallClock: () => 1_700_000_000_000 };
      const [left, right] = memoryPair(clock);
      const client = new RawClient(left);
      const errors: string[] = [];
      const handler: Http1ConnectionHandler = {
        connection: testConnection,
        onRequest,
        onClose() {},
        onError: (error) => errors.push(error.message),
      };
      const connection = new Http1Connection(right, handler, testLimits, time);
      right.listen(connection);
      const pass = async (ms: number): Promise<void> => {
        await clock.advance(0);
        for (let left = ms; left > 0; left -= 1_000) {
          await clock.advance(Math.min(left, 1_000));
          time.now = clock.now();
          connection.check(time.now);
          await clock.advance(0);
        }
      };
      await test({ client, server: right, errors, pass });
    });
}

describe("an HTTP/1.1 server over a pair in memory, on a virtual clock", () => {
  it(
    "responds to pipelined requests in their order",
    network(respondOk, async ({ client, pass }) => {
      client.send(getRequest.repeat(3));
      await pass(0);
      assert.equal(client.heard.match(/HTTP\/1\.1 200 OK[\s\S]*?\r\n\r\nok/g)?.length, 3);
      assert.match(client.heard, /date: Tue, 14 Nov 2023 22:13:20 GMT/);
    }),
  );

  it(
    "sends a body back as fast as its client takes it, and reads no faster than that",
    network(
      (exchange) => {
        exchange.begin(200, []);
        const { body } = exchange;
        const echo = async (): Promise<void> => {
          for (let piece = await body!.read(); piece !== undefined; piece = await body!.read()) {
            if (!exchange.write(piece)) await new Promise<void>((resolve) => exchange.whenDrained(resolve));
          }
          exchange.end();
        };
        void echo();
      },
      async ({ client, server, pass }) => {
        const total = 1_000_000;
        client.transport.pause();
        client.send(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${total}\r\n\r\n`);
        for (let sent = 0; sent < total; sent += 10_000) client.send("x".repeat(10_000));
        await pass(30_000);
        assert.equal(client.heard, "");
        assert.ok(client.transport.waitingBytes > 500_000, "the server has read what it cannot send");
        assert.ok(server.waitingBytes < 200_000, `${server.waitingBytes} bytes wait for the client`);
        client.transport.resume();
        await pass(1_000);
        assert.equal(client.heard.match(/x/g)?.length, total);
        assert.match(client.heard, /\r\n0\r\n\r\n$/);
      },
    ),
  );

  it(
    "gives up a client that takes nothing of its response",
    network(
      (exchange) => {
        exchange.begin(200, []);
        exchange.write(bytesOf("x".repeat(100_000)));
      },
      async ({ client, server, errors, pass }) => {
        client.transport.pause();
        client.send(getRequest);
        await pass(299_000);
        assert.equal(server.closed, false);
        await pass(2_000);
        assert.deepEqual([server.closed, errors], [true, ["The peer takes the response too slowly"]]);
        assert.match(String(client.error), /reset/);
      },
    ),
  );

  it(
    "refuses a head that does not become complete, with the time that it may take",
    network(respondOk, async ({ client, pass }) => {
      client.send("GET / HTTP/1.1\r\nhost:");
      await pass(14_000);
      assert.equal(client.heard, "");
      await pass(2_000);
      assert.match(client.heard, /^HTTP\/1\.1 408 /);
      assert.equal(client.ended, true);
    }),
  );

  it(
    "says goodbye to a client that is idle, and closes when that has left",
    network(respondOk, async ({ client, server, pass }) => {
      client.send(getRequest);
      await pass(74_000);
      assert.equal(client.ended, false);
      await pass(2_000);
      assert.equal(client.ended, true);
      client.transport.end();
      await pass(1_000);
      assert.deepEqual([server.closed, client.transport.closed], [true, true]);
    }),
  );
});
