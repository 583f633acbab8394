import type { ByteTransport, TransportListener } from "../../src/http/byte-transport.ts";
import type { VirtualClock } from "./virtual-clock.ts";

const encoder = new TextEncoder();

/** Bytes that wait on one way before its writer is told that it is enough. */
const defaultCapacityBytes = 64 * 1024;

/** One end of a {@link memoryPair}. */
export class MemoryTransport implements ByteTransport {
  readonly #clock: VirtualClock;
  readonly #capacityBytes: number;
  #peer!: MemoryTransport;
  #listener: TransportListener | undefined;
  #outgoing: Uint8Array[] = [];
  #moving = false;
  #wantsDrain = false;
  #paused = false;
  #ended = false;
  #toldEnd = false;
  #state: "open" | "closing" | "closed" = "open";
  waitingBytes = 0;
  /** Whether nothing passes from this end to the other, as on a network that has failed without a word. */
  cut = false;
  alive = true;

  constructor(clock: VirtualClock, capacityBytes: number) {
    this.#clock = clock;
    this.#capacityBytes = capacityBytes;
  }

  /** Whether it has closed. */
  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Joins it with the other end. */
  join(peer: MemoryTransport): void {
    this.#peer = peer;
  }

  /** Says who is told of what arrives. */
  listen(listener: TransportListener): void {
    this.#listener = listener;
    this.#peer.#move();
  }

  write(pieces: readonly (Uint8Array | string)[]): boolean {
    if (this.#state !== "open" || this.#ended) return false;
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
      this.#outgoing.push(bytes);
      this.waitingBytes += bytes.length;
    }
    this.#move();
    if (this.waitingBytes < this.#capacityBytes) return true;
    this.#wantsDrain = true;
    return false;
  }

  nextTurn(task: () => void): void {
    this.#clock.schedule(task, 0);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#peer.#move();
  }

  end(): void {
    this.#ended = true;
    this.#move();
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#ended = true;
    this.#move();
  }

  reset(): void {
    if (this.#state === "closed") return;
    this.#outgoing = [];
    this.#lose(undefined);
    this.#peer.#lose(new Error("the other end has reset the connection"));
  }

  keepAlive(value: boolean): void {
    this.alive = value;
  }

  /** Lets the bytes of a network that was cut pass again. */
  mend(): void {
    this.cut = false;
    this.#move();
  }

  #move(): void {
    if (this.#moving) return;
    this.#moving = true;
    this.#clock.schedule(() => {
      this.#moving = false;
      this.#deliver();
    }, 0);
  }

  #deliver(): void {
    const peer = this.#peer;
    if (this.cut) return;
    while (!peer.#paused && peer.#listener !== undefined && peer.#state !== "closed") {
      const chunk = this.#outgoing.shift();
      if (chunk === undefined) break;
      this.waitingBytes -= chunk.length;
      peer.#listener.receive(chunk.slice());
    }
    if (this.#outgoing.length > 0) return;
    if (this.#ended && !this.#toldEnd) {
      this.#toldEnd = true;
      if (peer.#state !== "closed") peer.#listener?.peerEnded();
    }
    if (this.#state === "closing" || (this.#toldEnd && peer.#toldEnd)) {
      this.#lose(undefined);
      return;
    }
    if (this.#wantsDrain && this.#state === "open") {
      this.#wantsDrain = false;
      this.#listener?.drained();
    }
  }

  #lose(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#clock.schedule(() => this.#listener?.lost(error), 0);
    this.#peer.#move();
  }
}

/**
 * Two transports, each of which receives what is written to the other. A turn of the event loop is a task of the clock
 * without delay: nothing passes but when the test advances it.
 */
export function memoryPair(
  clock: VirtualClock,
  capacityBytes: number = defaultCapacityBytes,
): readonly [MemoryTransport, MemoryTransport] {
  const pair = [
    new MemoryTransport(clock, capacityBytes),
    new MemoryTransport(clock, capacityBytes),
  ] as const;
  pair[0].join(pair[1]);
  pair[1].join(pair[0]);
  return pair;
}
