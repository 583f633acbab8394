import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { h2 } from "../../../src/http/http2/frame/frame-types.ts";
import type { Http2Stream } from "../../../src/http/http2/streams/stream.ts";
import type { StreamHandler } from "../../../src/http/http2/streams/stream-handler.ts";
import { seededRandom } from "../../support/random.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";
import { postFields, type Side, sideOf } from "./connection-fixture.ts";

/** One direction of a stream: what is still to be said, and what was heard. */
class Party implements StreamHandler {
  readonly #random: () => number;
  stream!: Http2Stream;
  readonly total: number;
  readonly trailers: boolean;
  said = 0;
  heard = 0;
  ended = false;
  closed = false;
  #waits = false;
  paused = false;

  constructor(random: () => number) {
    this.#random = random;
    this.total = Math.floor(random() ** 3 * 200_000);
    this.trailers = random() < 0.3;
  }

  /** Says a little more, unless the stream has enough. */
  speak(): void {
    if (this.#waits || !this.stream.writable) return;
    const length = Math.min(this.total - this.said, 1 + Math.floor(this.#random() ** 4 * 50_000));
    const bytes = Uint8Array.from({ length }, (_, at) => this.said + at);
    this.said += length;
    const last = this.said === this.total;
    if (last && this.trailers) {
      this.stream.write(bytes);
      this.stream.endWithTrailers(["x-total", String(this.total)]);
    } else if (last && this.#random() < 0.5) {
      this.stream.write(bytes);
      this.stream.endWithTrailers([]);
    } else this.#waits = !this.stream.write(bytes, last);
  }

  onHeaders(): void {}

  onData(chunk: Uint8Array): void {
    assert.equal(this.closed, false);
    for (const byte of chunk) assert.equal(byte, this.heard++ & 0xff);
    if (this.#random() < 0.1) this.pause();
  }

  pause(): void {
    this.paused = true;
    this.stream.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.stream.resume();
  }

  onTrailers(): void {}

  onEnd(): void {
    this.ended = true;
  }

  onDrain(): void {
    this.#waits = false;
    if (this.#random() < 0.5) this.speak();
  }

  onClose(): void {
    this.closed = true;
  }
}

/** Carries what one side has written, in chunks of any size. */
function carryPieces(from: Side, to: Side, random: () => number): void {
  from.connection.frameWriter.flush();
  const bytes = from.transport.take();
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + Math.floor(random() ** 5 * 70_000);
    to.connection.receive(bytes.slice(at, end));
    at = end;
  }
  if (from.transport.full && random() < 0.7) {
    from.transport.full = false;
    from.connection.drained();
  }
}

describe("two connections that do whatever they may", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`lose no byte, and keep nothing (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const windows = [100, 5_000, 65_535, 262_144];
      const windowOf = (): number => windows[Math.floor(random() * windows.length)]!;
      const clock = new VirtualClock();
      const clientWindows = { streamWindowBytes: windowOf(), connectionWindowBytes: 65_535 };
      const client = sideOf("client", { ...clientWindows, clock });
      const serverWindows = { streamWindowBytes: windowOf(), connectionWindowBytes: 100_000 };
      const server = sideOf("server", { ...serverWindows, clock });
      const parties: { readonly asking: Party; serving: Party | undefined }[] = [];
      server.host.serve = (stream) => {
        const serving = new Party(random);
        serving.stream = stream;
        stream.handler = serving;
        stream.respond([":status", "200"], false);
        parties[(stream.id - 1) / 2]!.serving = serving;
      };
      let reset = 0;
      for (let turn = 0; turn < 50_000; turn++) {
        if (parties.length < 60 && random() < 0.2) {
          const asking = new Party(random);
          parties.push({ asking, serving: undefined });
          asking.stream = client.connection.request(postFields, asking);
        }
        const both = parties[Math.floor(random() * parties.length)];
        for (const party of [both?.asking, both?.serving]) {
          if (party === undefined || party.closed) continue;
          const dice = random();
          if (dice < 0.005) {
            party.stream.close(h2.cancel);
            reset++;
          } else if (dice < 0.05) party.pause();
          else if (dice < 0.5) party.resume();
          else party.speak();
        }
        if (random() < 0.05) (random() < 0.5 ? client : server).transport.full = true;
        if (random() < 0.3) carryPieces(client, server, random);
        if (random() < 0.3) carryPieces(server, client, random);
        if (turn % 50 === 0) await clock.advance(50);
        if (parties.length === 60 && parties.every(({ asking }) => asking.closed)) break;
      }
      for (let last = 0; last < 3; last++) {
        carryPieces(client, server, () => 0.5);
        carryPieces(server, client, () => 0.5);
      }
      await settle();
      assert.ok(reset > 0 && reset < 60, `${reset} resets`);
      let complete = 0;
      for (const { asking, serving } of parties) {
        assert.equal(asking.closed && serving?.closed !== false, true);
        if (asking.stream.closeReason !== "complete") continue;
        complete++;
        assert.deepEqual([asking.ended, asking.heard], [true, serving!.total]);
        assert.deepEqual([serving!.ended, serving!.heard], [true, asking.total]);
      }
      assert.ok(complete > 15, `${complete} of ${parties.length}`);
      for (const { connection, host } of [client, server]) {
        assert.deepEqual([connection.queuedBytes, connection.streams.size, host.open], [0, 0, 0]);
        assert.deepEqual([host.closed, host.errors], [0, []]);
      }
    });
  }
});
