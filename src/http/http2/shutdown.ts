import type { Clock } from "../../core/clock.ts";
import type { ByteTransport } from "../byte-transport.ts";
import type { FrameWriter } from "./codec/frame-writer.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { frameType, h2, maxInt31 } from "./frame/frame-types.ts";

/** How long a client has to hear of a shutdown, when it does not say that it has, before new calls are refused. */
const hearGraceMs = 1_000;
/** What was written has so long to go out when the connection ends; a peer that does not read loses it. */
const closeGraceMs = 2_000;

/** What {@link Shutdown} needs of the connection. */
interface Host {
  readonly options: ConnectionOptions;
  readonly server: boolean;
  readonly over: boolean;
  readonly transport: ByteTransport;
  readonly frameWriter: FrameWriter;
  readonly streams: ReadonlyMap<number, unknown>;
  readonly lastPeerId: number;
  ping(onResult: (alive: boolean) => void): void;
  /** Nothing is open and nothing will be: the connection ends in peace. */
  finish(): void;
}

/** How a connection comes to its end in peace, and what becomes of its transport then. */
export class Shutdown {
  readonly #host: Host;
  readonly #clock: Clock;
  #cancel: (() => void) | undefined = undefined;
  #cancelReset: (() => void) | undefined = undefined;
  #lost = false;
  /** Whether it takes no new streams, or will not for long. */
  closing = false;
  /** Whether new streams of the peer are refused. */
  refusing = false;

  constructor(host: Host) {
    this.#host = host;
    this.#clock = host.options.clock;
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
    this.#cancel = this.#clock.schedule(() => this.#refuse(), hearGraceMs);
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

  /**
   * Ends the transport of a connection that is over: by `end` the peer may still finish, by `close` not. Neither a peer
   * that does not read, nor one that keeps its half open, keeps the transport for long.
   */
  release(how: "end" | "close"): void {
    if (this.#lost) return;
    const { transport } = this.#host;
    this.#cancelReset ??= this.#clock.schedule(() => transport.reset(), closeGraceMs);
    transport[how]();
    // What the peer still sends is read and dropped, so that its end is seen.
    if (how === "end") transport.resume();
  }

  /** The transport has closed. */
  lost(): void {
    this.#lost = true;
    this.#cancelReset?.();
  }
}
