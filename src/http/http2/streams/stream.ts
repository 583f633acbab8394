import { ByteQueue } from "../../byte-queue.ts";
import { h2 } from "../frame/frame-types.ts";
import { checkFields } from "../hpack/hpack-encoder.ts";
import type { Fields, StreamHandler } from "./stream-handler.ts";
import type { StreamCloseReason, StreamHost } from "./stream-host.ts";
import { StreamInput } from "./stream-input.ts";

export type { Fields, StreamHandler } from "./stream-handler.ts";

/** Bytes that may wait for the peer's window before {@link Http2Stream.write} says no. */
const highWaterBytes = 32 * 1024;

const continueFields: Fields = [":status", "100"];
const noBytes: Uint8Array = new Uint8Array(0);

/** One stream of an HTTP/2 connection. */
export class Http2Stream extends StreamInput {
  declare readonly connection: StreamHost<Http2Stream>;
  /** Bytes that the peer lets this side send. */
  sendWindow: number;
  /** Whether the handler of the connection was told of it, so that it must be told of its end. */
  served = false;
  /** Whether anything of the response has gone out, or has come in on a client. */
  responded = false;
  localEnded = false;
  closeReason: StreamCloseReason | undefined = undefined;
  /** The code of the reset that ended it, else 0. */
  rstCode: number = h2.noError;
  /** Why this side gave it up, when that was not the peer's fault: what a handler threw, for one. */
  failure: unknown = undefined;
  /** Whether a peer that still sends is told to stop once this side has said everything. */
  letGoAtEnd = false;
  /** Bytes that waited and went out since stalled streams were last looked for, and when that was. */
  sentBytes = 0;
  sentSince = -1;
  /** Bytes of the body that went out. */
  allSentBytes = 0;
  #queue: ByteQueue | undefined = undefined;
  #endPending = false;
  #trailers: Fields | undefined = undefined;
  #wantsDrain = false;

  constructor(connection: StreamHost<Http2Stream>, id: number, handler: StreamHandler) {
    super(connection, id, handler);
    this.sendWindow = connection.peer.initialWindowBytes;
  }

  /** Whether this side may still say something. */
  get writable(): boolean {
    return !this.closed && !this.localEnded && !this.#endPending;
  }

  /** Bytes that wait for the peer or for the connection. */
  get queuedBytes(): number {
    return this.#queue === undefined ? 0 : this.#queue.length;
  }

  /** Whether the peer says that it never looked at the stream, and nothing that it said before belies that. */
  get neverStarted(): boolean {
    const refused = this.closeReason === "peer-reset" && this.rstCode === h2.refusedStream;
    return !this.responded && (refused || this.closeReason === "refused");
  }

  /**
   * Sends an informational response (1xx) ahead of the response; nothing when that has begun.
   *
   * @throws {TypeError} for fields that cannot be sent; the stream is as before then
   */
  informational(fields: Fields): void {
    if (this.writable && !this.responded) this.connection.frameWriter.headers(this.id, fields, false);
  }

  /** Tells a client that waits for it to send the body (`expect: 100-continue`); nothing when the response has begun. */
  continue(): void {
    this.informational(continueFields);
  }

  /**
   * Sends a header block: that of a server's response.
   *
   * @throws {TypeError} for fields that cannot be sent; the stream is as before then
   */
  respond(fields: Fields, ends: boolean): void {
    if (!this.writable) return;
    this.connection.frameWriter.headers(this.id, fields, ends);
    this.responded = true;
    if (ends) this.#localEnd();
  }

  /**
   * Sends bytes of the body. False when the next ones should wait for {@link StreamHandler.onDrain}. The stream is
   * reset when too many bytes wait on the connection: see `maxQueuedBytes`.
   */
  write(bytes: Uint8Array, ends = false): boolean {
    if (!this.writable) return false;
    if (bytes.length === 0) {
      if (ends) this.end();
      return this.#hasRoom();
    }
    const sent = this.#queue === undefined ? this.#emit(bytes, ends) : 0;
    if (sent < bytes.length) {
      if (!this.connection.enqueue(this, bytes.length - sent)) return false;
      this.#queue ??= new ByteQueue();
      this.#queue.push(sent === 0 ? bytes : bytes.subarray(sent));
      if (ends) this.#endPending = true;
      this.connection.waiting.add(this);
    }
    return this.#hasRoom();
  }

  /** Sends a length-prefixed message, as gRPC and Connect's streams have them. */
  writeMessage(flags: number, body: Uint8Array, ends = false): boolean {
    if (!this.writable) return false;
    const { connection } = this;
    const { frameWriter } = connection;
    const total = body.length + 5;
    if (
      body.length <= 8192 &&
      this.#queue === undefined &&
      !frameWriter.congested &&
      total <= this.sendWindow &&
      total <= connection.sendWindow
    ) {
      this.sendWindow -= total;
      connection.sendWindow -= total;
      this.allSentBytes += total;
      frameWriter.message(this.id, flags, body, ends);
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
    if (this.#queue === undefined) this.#sayEnd();
  }

  /**
   * Ends this side with trailers; without any, as {@link end} does.
   *
   * @throws {TypeError} for fields that cannot be sent; the stream is as before then
   */
  endWithTrailers(fields: Fields): void {
    if (!this.writable) return;
    if (fields.length === 0) {
      this.end();
    } else if (this.#queue === undefined) {
      this.connection.frameWriter.headers(this.id, fields, true);
      this.#localEnd();
    } else {
      checkFields(fields);
      this.#trailers = fields;
      this.#endPending = true;
    }
  }

  /** Ends both sides with a reset. */
  close(code: number): void {
    if (this.closed) return;
    this.connection.reset(this, code);
  }

  /** For the connection: the peer lets this side send more. */
  allow(bytes: number): void {
    this.sendWindow += bytes;
    if (this.#queue === undefined) return;
    if (this.connection.frameWriter.congested) this.connection.waiting.add(this);
    else this.pump();
  }

  /** For the connection: sends what waited. */
  pump(): void {
    const { connection } = this;
    for (let queue = this.#queue; queue !== undefined; queue = this.#queue) {
      const chunk = queue.first();
      const last = queue.length === chunk.length && this.#endPending && this.#trailers === undefined;
      const sent = this.#emit(chunk, last);
      if (this.closed) return;
      this.sentBytes += sent;
      connection.queuedBytes -= sent;
      queue.drop(sent);
      if (queue.length === 0) this.#queue = undefined;
      else if (sent < chunk.length) {
        connection.waiting.add(this);
        return;
      }
    }
    connection.waiting.delete(this);
    this.sentSince = -1;
    if (this.#endPending && !this.localEnded) this.#sayEnd();
    else if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.#tellDrain();
    }
  }

  /** For the connection: the stream is over. */
  finish(closeReason: StreamCloseReason, code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.closeReason = closeReason;
    this.rstCode = code;
    this.connection.queuedBytes -= this.queuedBytes;
    this.#queue = undefined;
    this.connection.waiting.delete(this);
    if (closeReason === "own-reset") this.dropHeld();
    else this.flush();
    try {
      this.handler.onClose();
    } catch (error) {
      this.failed(error);
    }
  }

  protected override failed(error: unknown): void {
    this.connection.failed(this, error);
  }

  #tellDrain(): void {
    try {
      this.handler.onDrain();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Sends as much as the windows and the transport allow, and says how much that was. */
  #emit(bytes: Uint8Array, ends: boolean): number {
    const { connection } = this;
    const { frameWriter } = connection;
    const total = bytes.length;
    let at = 0;
    while (at < total && !frameWriter.congested && !this.closed) {
      const size = Math.min(total - at, this.sendWindow, connection.sendWindow, frameWriter.maxFrameBytes);
      if (size <= 0) break;
      this.sendWindow -= size;
      connection.sendWindow -= size;
      const last = ends && at + size === total;
      frameWriter.data(this.id, at === 0 && size === total ? bytes : bytes.subarray(at, at + size), last);
      at += size;
      if (last) this.#localEnd();
    }
    this.allSentBytes += at;
    return at;
  }

  #hasRoom(): boolean {
    if (this.queuedBytes < highWaterBytes && !this.connection.frameWriter.congested) return true;
    // There are no next bytes.
    if (this.localEnded) return true;
    this.#wantsDrain = true;
    this.connection.waiting.add(this);
    return false;
  }

  #sayEnd(): void {
    const { frameWriter } = this.connection;
    if (this.#trailers !== undefined) frameWriter.headers(this.id, this.#trailers, true);
    else if (!frameWriter.endData(this.id)) frameWriter.data(this.id, noBytes, true);
    this.#localEnd();
  }

  #localEnd(): void {
    this.localEnded = true;
    if (this.remoteEnded) this.connection.forget(this, "complete", h2.noError);
    else if (this.letGoAtEnd) this.close(h2.noError);
  }
}
