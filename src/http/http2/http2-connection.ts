import type { ByteTransport, TransportListener } from "../byte-transport.ts";
import { Receiver } from "./codec/frame-receiver.ts";
import { FrameWriter } from "./codec/frame-writer.ts";
import type { ConnectionCore } from "./connection-core.ts";
import type { ConnectionHandler, ConnectionOptions } from "./connection-options.ts";
import { FrameParser } from "./frame/frame-parser.ts";
import {
  defaultFrameBytes,
  defaultWindowBytes,
  frameType,
  Http2Error,
  h2,
  maxInt31,
  preface,
} from "./frame/frame-types.ts";
import { PeerSettings, writeSettings } from "./frame/settings.ts";
import { HpackEncoder } from "./hpack/hpack-encoder.ts";
import { Pings } from "./pings.ts";
import { Shutdown } from "./shutdown.ts";
import { ClosedStreams } from "./streams/closed-streams.ts";
import { ReceiveWindow } from "./streams/receive-window.ts";
import { SafeHandler } from "./streams/safe-handler.ts";
import { Http2Stream } from "./streams/stream.ts";
import { type Fields, ignoreStream, type StreamHandler } from "./streams/stream-handler.ts";
import type { StreamCloseReason } from "./streams/stream-host.ts";
import { defaultMaxQueuedBytes, WaitingStreams } from "./streams/waiting-streams.ts";
import { TimeLimits } from "./time-limits.ts";

/** Largest frame that this side takes: more than the standard's default, for messages that are large. */
const ownFrameBytes = 65_536;
/**
 * Bytes that may wait for a peer that does not read. Data keeps well below: it stops when the transport has enough.
 * Responses without a body do not, and each of them lets the peer ask once more.
 */
const maxWaitingBytes = 8 * 1024 * 1024;

/**
 * One HTTP/2 connection (RFC 9113), for both roles. It knows nothing of sockets and of real time: bytes leave by a
 * {@link ByteTransport}, which tells what arrives, and time is that of `options.clock`.
 */
export class Http2Connection implements ConnectionCore, TransportListener {
  readonly options: ConnectionOptions;
  readonly handler: SafeHandler;
  readonly frameWriter: FrameWriter;
  readonly peer: PeerSettings = new PeerSettings();
  readonly window: ReceiveWindow;
  readonly streams: Map<number, Http2Stream> = new Map();
  readonly server: boolean;
  /** Bytes that the peer lets this side send on all streams. */
  sendWindow: number = defaultWindowBytes;
  /** Bytes that wait in all streams together, and may. */
  queuedBytes = 0;
  readonly maxQueuedBytes: number;
  /** The last stream of this side that the peer will look at. */
  goawayId: number = Number.POSITIVE_INFINITY;
  lastPeerId = 0;
  /** The next stream that this side opens; the ids of a connection end some day. */
  nextId = 1;
  completed = 0;
  /** Counts the chunks that arrived. */
  turn = 0;
  /** Whether nothing more is read or written. */
  over = false;
  readonly transport: ByteTransport;
  readonly #encoder: HpackEncoder = new HpackEncoder();
  readonly #parser: FrameParser;
  readonly #receiver: Receiver;
  readonly waiting: WaitingStreams;
  readonly #resets = new ClosedStreams();
  readonly #holding: { deliverHeld(): void }[] = [];
  readonly #pings = new Pings();
  readonly #limits: TimeLimits;
  readonly #shutdown: Shutdown;

  constructor(transport: ByteTransport, handler: ConnectionHandler, options: ConnectionOptions) {
    this.transport = transport;
    this.handler = new SafeHandler(handler);
    this.options = options;
    this.server = options.role === "server";
    this.frameWriter = new FrameWriter(transport, this.#encoder, defaultFrameBytes);
    this.window = new ReceiveWindow(this.frameWriter, options.connectionWindowBytes);
    this.maxQueuedBytes = options.maxQueuedBytes ?? defaultMaxQueuedBytes[options.role];
    this.waiting = new WaitingStreams(this);
    this.#limits = new TimeLimits(this);
    this.#shutdown = new Shutdown(this);
    this.#receiver = new Receiver(this);
    this.#parser = new FrameParser(this.#receiver, {
      maxFrameBytes: ownFrameBytes,
      expectPreface: this.server,
    });
    if (!this.server) this.frameWriter.bytes(preface);
    writeSettings(this.frameWriter, options, ownFrameBytes);
    this.window.open();
    this.frameWriter.flush();
    this.#limits.start();
  }

  /** Whether this side may open streams. */
  get usable(): boolean {
    return !this.over && !this.#shutdown.closing && this.goawayId === Number.POSITIVE_INFINITY;
  }

  /** Whether new streams of the peer are refused. */
  get refusing(): boolean {
    return this.#shutdown.refusing;
  }

  /** Opens a stream with a request; the caller keeps to the peer's limit of streams. */
  request(fields: Fields, handler: StreamHandler): Http2Stream {
    const stream = new Http2Stream(this, this.nextId, handler);
    this.nextId += 2;
    // Fails for a value that no header can carry, before anybody knows of the stream.
    this.frameWriter.headers(stream.id, fields, false);
    this.streams.set(stream.id, stream);
    return stream;
  }

  /** For the receiver: the peer opened a stream. */
  accept(id: number): Http2Stream {
    const stream = new Http2Stream(this, id, ignoreStream);
    this.streams.set(id, stream);
    return stream;
  }

  /** Takes bytes from the peer. */
  receive(chunk: Uint8Array): void {
    if (this.over) return;
    this.turn++;
    try {
      this.#parser.push(chunk);
      if (this.#holding.length > 0) for (const stream of this.#holding.splice(0)) stream.deliverHeld();
      if (this.frameWriter.congested && this.transport.waitingBytes > maxWaitingBytes) {
        throw new Http2Error(h2.enhanceYourCalm, "the responses are not read");
      }
    } catch (error) {
      const code = error instanceof Http2Error ? error.code : h2.internalError;
      this.destroy(code, error instanceof Error ? error : new Error(String(error)));
    }
    this.#limits.heard = true;
    if (this.over) return;
    if (this.streams.size > 0 || this.frameWriter.congested || this.incomplete !== 0) this.#limits.watch();
  }

  /** A number of the frame or header block that has begun and is not complete; 0 when there is none. */
  get incomplete(): number {
    return this.#receiver.openBlock || this.#parser.incomplete;
  }

  /** Bytes that have gone out in all. */
  get takenBytes(): number {
    return this.frameWriter.flushedBytes - this.transport.waitingBytes;
  }

  /** The transport takes more. */
  drained(): void {
    this.frameWriter.congested = false;
    this.pump();
  }

  /** A connection is over when its peer says that nothing follows, even if this side could still send. */
  peerEnded(): void {
    this.#end(undefined);
    this.#shutdown.release("end");
  }

  /** The transport has closed. */
  lost(error: Error | undefined): void {
    this.#shutdown.lost();
    this.#end(error);
  }

  /**
   * Takes no new streams and closes after the last one. A server tells its client first, and refuses only what
   * comes after the client has heard of it: a call on its way is not lost.
   */
  close(): void {
    this.#shutdown.begin();
  }

  /** For the shutdown: nothing is open, and everything is said. */
  finish(): void {
    this.#end(undefined);
    this.#shutdown.release("end");
  }

  /** Ends everything at once; the peer is told the code. */
  destroy(code: number = h2.cancel, error?: Error): void {
    if (this.over) return;
    this.frameWriter.words(frameType.goaway, 0, this.lastPeerId, code);
    this.frameWriter.flush();
    this.#end(error);
    // What was written, the GOAWAY last of all, should still go out.
    this.#shutdown.release("close");
  }

  #end(error: Error | undefined): void {
    if (this.over) return;
    this.over = true;
    this.frameWriter.closed = true;
    this.#shutdown.stop();
    this.#limits.stop();
    for (const tell of this.#pings.takeAll()) this.handler.call(() => tell(false));
    for (const stream of [...this.streams.values()]) this.forget(stream, "lost", h2.cancel);
    this.handler.onClose(error);
  }

  /** Asks the peer for a sign of life; the result is false when the connection ends first. */
  ping(onResult: (alive: boolean) => void): void {
    if (this.over) {
      onResult(false);
      return;
    }
    this.frameWriter.words(frameType.ping, 0, 0x6d657368, this.#pings.add(onResult));
  }

  /** For the receiver: the peer acknowledged a ping; false when there was none. */
  pong(number: number): boolean {
    const tell = this.#pings.take(number);
    if (tell !== undefined) this.handler.call(() => tell(true));
    return tell !== undefined;
  }

  /** Whether the connection keeps the process alive. */
  keepAlive(value: boolean): void {
    this.transport.keepAlive(value);
  }

  /** Resets a stream. */
  reset(stream: Http2Stream, code: number): void {
    this.refuse(stream.id, code);
    this.forget(stream, "own-reset", code);
  }

  /** For the receiver: resets a stream that is not there (any more). */
  refuse(id: number, code: number): void {
    this.frameWriter.words(frameType.rstStream, id, code);
    this.#resets.add(id);
  }

  /** For the receiver: whether late frames of the stream are to be ignored, because this side gave it up. */
  wasGivenUp(id: number): boolean {
    return this.#resets.has(id) || id > this.goawayId || (this.refusing && id > this.lastPeerId);
  }

  /** A stream is over. */
  forget(stream: Http2Stream, closeReason: StreamCloseReason, code: number): void {
    if (!this.streams.delete(stream.id)) return;
    stream.finish(closeReason, code);
    if (stream.served && closeReason === "complete") this.completed++;
    if (stream.served) this.handler.onStreamClose();
    if (this.#shutdown.closing) this.#shutdown.endWhenIdle();
  }

  /** For streams: they hold small pieces of the chunk. */
  deliverLater(stream: { deliverHeld(): void }): void {
    this.#holding.push(stream);
  }

  /** For streams. */
  failed(stream: Http2Stream, error: unknown): void {
    this.handler.failed(stream, error);
  }

  /** For streams: counts bytes that will wait; false when they are too many, and the stream was reset for it. */
  enqueue(stream: Http2Stream, bytes: number): boolean {
    if (this.queuedBytes >= this.maxQueuedBytes && !this.waiting.relieve(stream)) return false;
    this.queuedBytes += bytes;
    return true;
  }

  /** Sends what waits, as far as it can; `forWindow` when a window has grown. */
  pump(forWindow = false): void {
    this.waiting.pump(forWindow);
  }

  /** For the receiver: the peer's settings changed. */
  settingsChanged(windowDelta: number): void {
    this.#limits.settingsCame();
    // Beyond that, a large frame only keeps the other streams waiting.
    this.frameWriter.maxFrameBytes = Math.min(this.peer.maxFrameBytes, ownFrameBytes);
    this.#encoder.setMaxTableBytes(this.peer.headerTableBytes);
    if (windowDelta !== 0) {
      for (const stream of this.streams.values()) {
        stream.sendWindow += windowDelta;
        if (stream.sendWindow > maxInt31) {
          throw new Http2Error(h2.flowControlError, "INITIAL_WINDOW_SIZE makes a window too large");
        }
      }
    }
    this.handler.onSettings();
    if (windowDelta <= 0) return;
    this.waiting.widened();
    this.pump(true);
  }
}
