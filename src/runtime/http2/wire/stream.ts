import { frameType, h2 } from "./frames.ts";
import type { StreamFate, StreamHost } from "./stream-host.ts";

/** Fields of a header block: name, value, name, value. */
export type Fields = readonly string[];

/** Follows one stream. Everything is told at once, from within the reading of the connection. */
export interface StreamHandler {
  /** The answer's headers, on a client; `ended` says that nothing follows them. */
  onHeaders(fields: Fields, ended: boolean): void;
  /** Bytes of the body; they are the handler's to keep. */
  onData(chunk: Uint8Array): void;
  onTrailers(fields: Fields): void;
  /** The peer has said everything; not told after a reset. */
  onEnd(): void;
  /** {@link Http2Stream.write} may go on after it said no. */
  onDrain(): void;
  /** The stream is over for both sides; told once, whatever happened. */
  onClose(): void;
}

/** Bytes that may wait for the peer's window before {@link Http2Stream.write} says no. */
const highWaterBytes = 32 * 1024;

/** What keeping a frame costs besides its bytes, about: flow control does not count it, and tiny frames are mostly that. */
const heldFrameBytes = 256;

/** One stream of an HTTP/2 connection. */
export class Http2Stream {
  readonly id: number;
  readonly connection: StreamHost<Http2Stream>;
  /** Set by whoever opens or accepts the stream. */
  handler: StreamHandler;
  /** Bytes that the peer lets this side send. */
  sendWindow: number;
  /** Bytes that this side still lets the peer send. */
  receiveWindow: number;
  /** Whether the first header block arrived. */
  begun = false;
  /** Whether the handler of the connection was told of it, so that it must be told of its end. */
  served = false;
  /** Whether a server's answer has begun to go out. */
  answered = false;
  remoteEnded = false;
  localEnded = false;
  closed = false;
  fate: StreamFate | undefined = undefined;
  /** The code of the reset that ended it, else 0. */
  rstCode: number = h2.noError;
  /** Whether a peer that still sends is told to stop once this side has said everything. */
  letGoAtEnd = false;
  /** Whether anything that waited went out since stalled streams were last looked for. */
  moved = false;
  /** Bytes of the body that the headers promise; -1 when they promise nothing. */
  promisedBytes = -1;
  #paused = false;
  /** Bytes that arrived and were not granted anew. */
  #owed = 0;
  /** Those of them that arrived in a pause. */
  #held = 0;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #endPending = false;
  #trailers: Fields | undefined = undefined;
  #wantsDrain = false;

  constructor(connection: StreamHost<Http2Stream>, id: number, handler: StreamHandler) {
    this.connection = connection;
    this.id = id;
    this.handler = handler;
    this.sendWindow = connection.peer.initialWindowBytes;
    this.receiveWindow = connection.options.streamWindowBytes;
  }

  /** Whether this side may still say something. */
  get writable(): boolean {
    return !this.closed && !this.localEnded && !this.#endPending;
  }

  /** Bytes that wait for the peer or for the connection. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Sends a header block: a server's answer. */
  respond(fields: Fields, ends: boolean): void {
    if (!this.writable) return;
    this.connection.outbox.headers(this.id, fields, ends);
    this.answered = true;
    if (ends) this.#localEnd();
  }

  /** Sends bytes of the body. False when the next ones should wait for {@link StreamHandler.onDrain}. */
  write(bytes: Uint8Array, ends = false): boolean {
    if (!this.writable) return false;
    if (ends) this.#endPending = true;
    const sent = this.#queue.length > 0 ? 0 : this.#emit(bytes, ends);
    if (sent < bytes.length) this.#enqueue(sent === 0 ? bytes : bytes.subarray(sent));
    return this.#hasRoom();
  }

  /** Sends a length-prefixed message, as gRPC and Connect's streams have them. */
  writeMessage(flags: number, body: Uint8Array, ends = false): boolean {
    if (!this.writable) return false;
    const { connection } = this;
    const { outbox } = connection;
    const total = body.length + 5;
    if (
      body.length <= 8192 &&
      this.#queue.length === 0 &&
      !outbox.congested &&
      total <= this.sendWindow &&
      total <= connection.sendWindow
    ) {
      this.sendWindow -= total;
      connection.sendWindow -= total;
      outbox.message(this.id, flags, body, ends);
      if (ends) this.#localEnd();
      return true;
    }
    const { length } = body;
    this.write(new Uint8Array([flags, length >>> 24, length >>> 16, length >>> 8, length]));
    return this.write(body, ends);
  }

  /** Ends this side. */
  end(): void {
    if (!this.writable) return;
    this.#endPending = true;
    if (this.#queue.length === 0) this.#sayEnd();
  }

  /** Ends this side with trailers. */
  endWithTrailers(fields: Fields): void {
    if (!this.writable) return;
    this.#trailers = fields;
    this.end();
  }

  /** Tells a peer that waits for it that it may send the body. */
  continue(): void {
    if (this.writable && !this.answered) this.connection.outbox.headers(this.id, [":status", "100"], false);
  }

  /** Ends both sides with a reset. */
  close(code: number): void {
    if (this.closed) return;
    this.connection.reset(this, code);
  }

  /** Grants the peer no more bytes; what is on its way still arrives. */
  pause(): void {
    this.#paused = true;
  }

  /** Lets the peer send on. */
  resume(): void {
    this.#paused = false;
    this.#release();
    this.#credit();
  }

  /** For the connection: bytes of DATA arrived, padding included. */
  received(bytes: number): void {
    this.#owed += bytes;
    if (this.#paused) {
      const held = bytes + heldFrameBytes;
      this.#held += held;
      this.connection.window.held(held);
    } else this.#credit();
  }

  #release(): void {
    const held = this.#held;
    this.#held = 0;
    if (held > 0) this.connection.window.released(held);
  }

  #credit(): void {
    const owed = this.#owed;
    if (owed * 2 < this.connection.options.streamWindowBytes || this.closed || this.remoteEnded) return;
    this.#owed = 0;
    this.receiveWindow += owed;
    this.connection.outbox.words(frameType.windowUpdate, this.id, owed);
  }

  /** For the connection: sends what waited. */
  pump(): void {
    while (this.#queue.length > 0) {
      const chunk = this.#queue[0]!;
      const last = this.#queue.length === 1 && this.#endPending && this.#trailers === undefined;
      const sent = this.#emit(chunk, last);
      if (this.closed) return;
      this.#queuedBytes -= sent;
      if (sent > 0) this.moved = true;
      if (sent < chunk.length) {
        if (sent > 0) this.#queue[0] = chunk.subarray(sent);
        break;
      }
      this.#queue.shift();
    }
    if (this.#queue.length > 0) return;
    this.connection.unblock(this);
    if (this.#endPending && !this.localEnded) this.#sayEnd();
    else if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.handler.onDrain();
    }
  }

  /** For the connection: the stream is over. */
  finish(fate: StreamFate, code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.fate = fate;
    this.rstCode = code;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.connection.unblock(this);
    this.#release();
    this.handler.onClose();
  }

  /** Sends as much as the windows and the wire allow, and says how much that was. */
  #emit(bytes: Uint8Array, ends: boolean): number {
    const { connection } = this;
    const { outbox } = connection;
    const total = bytes.length;
    if (total === 0) {
      if (ends && !outbox.congested) {
        outbox.data(this.id, bytes, true);
        this.#localEnd();
      } else if (ends) this.connection.block(this);
      return 0;
    }
    let at = 0;
    while (at < total && !outbox.congested && !this.closed) {
      const size = Math.min(total - at, this.sendWindow, connection.sendWindow, outbox.maxFrameBytes);
      if (size <= 0) break;
      this.sendWindow -= size;
      connection.sendWindow -= size;
      const last = ends && at + size === total;
      outbox.data(this.id, at === 0 && size === total ? bytes : bytes.subarray(at, at + size), last);
      at += size;
      if (last) this.#localEnd();
    }
    return at;
  }

  #enqueue(bytes: Uint8Array): void {
    if (this.#queue.length === 0) this.moved = true;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.connection.block(this);
  }

  #hasRoom(): boolean {
    if (this.#queuedBytes < highWaterBytes && !this.connection.outbox.congested) return true;
    // There are no next bytes.
    if (this.localEnded) return true;
    this.#wantsDrain = true;
    this.connection.block(this);
    return false;
  }

  #sayEnd(): void {
    const { outbox } = this.connection;
    if (this.#trailers === undefined) {
      outbox.data(this.id, noBytes, true);
    } else {
      try {
        outbox.headers(this.id, this.#trailers, true);
      } catch {
        // Trailers that no header block can carry: said late, from within the reading of the connection.
        this.close(h2.internalError);
        return;
      }
    }
    this.#localEnd();
  }

  #localEnd(): void {
    this.localEnded = true;
    if (this.remoteEnded) this.connection.forget(this, "complete", h2.noError);
    else if (this.letGoAtEnd) this.close(h2.noError);
  }
}

const noBytes: Uint8Array = new Uint8Array(0);
