import { type Clock, systemClock } from "../../core/clock.ts";
import type { FrameWriter } from "./codec/frame-writer.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { frameType, h2, maxInt31 } from "./frame/frame-types.ts";

/** How long a client has to hear of a shutdown, when it does not say that it has, before new calls are refused. */
const closeGraceMs = 1_000;

/** What {@link Shutdown} needs of the connection. */
interface Host {
  readonly options: ConnectionOptions;
  readonly server: boolean;
  readonly over: boolean;
  readonly frameWriter: FrameWriter;
  readonly streams: ReadonlyMap<number, unknown>;
  readonly lastPeerId: number;
  ping(answer: (alive: boolean) => void): void;
  /** Nothing is open and nothing will be: the connection ends in peace. */
  finish(): void;
}

/** How a connection comes to its end in peace. */
export class Shutdown {
  readonly #host: Host;
  readonly #clock: Clock;
  #cancel: (() => void) | undefined = undefined;
  /** Whether it takes no new streams, or will not for long. */
  closing = false;
  /** Whether new streams of the peer are refused. */
  refusing = false;

  constructor(host: Host) {
    this.#host = host;
    this.#clock = host.options.clock ?? systemClock;
  }

  /** See {@link Http2Connection.close}. */
  begin(): void {
    const { over, server, frameWriter } = this.#host;
    if (over || this.closing) return;
    this.closing = true;
    if (!server) {
      this.endWhenIdle();
      return;
    }
    frameWriter.words(frameType.goaway, 0, maxInt31, h2.noError);
    this.#cancel = this.#clock.schedule(() => this.#refuse(), closeGraceMs);
    this.#host.ping(() => this.#refuse());
    frameWriter.flush();
  }

  /** From here on, new streams are refused. */
  #refuse(): void {
    this.#cancel?.();
    if (this.#host.over || this.refusing) return;
    this.refusing = true;
    this.#host.frameWriter.words(frameType.goaway, 0, this.#host.lastPeerId, h2.noError);
    this.endWhenIdle();
  }

  /** Ends the connection if it closes and nothing is open any more. */
  endWhenIdle(): void {
    const { over, server, streams, frameWriter } = this.#host;
    if (over || !this.closing || streams.size > 0 || (server && !this.refusing)) return;
    if (!server) frameWriter.words(frameType.goaway, 0, 0, h2.noError);
    frameWriter.flush();
    this.#host.finish();
  }

  /** The connection is over. */
  stop(): void {
    this.#cancel?.();
  }
}
