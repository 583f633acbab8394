import type { ByteTransport, TransportListener } from "../byte-transport.ts";
import { BodyReader } from "./body-reader.ts";
import type { Http1ConnectionHandler } from "./connection-handler.ts";
import { HeadReader, joined } from "./head-reader.ts";
import { Http1Error } from "./http1-error.ts";
import type { Http1Limits } from "./http1-limits.ts";
import { Http1Stream } from "./http1-stream.ts";
import type { Http1Time } from "./http1-time.ts";
import { InputPause } from "./input-pause.ts";
import { Persistence } from "./persistence.ts";
import { parseRequestHead } from "./request-head.ts";
import { dateLineOf, refusalWith } from "./response-head.ts";
import type { StreamHost } from "./stream-host.ts";
import { TransportWriter } from "./transport-writer.ts";

/**
 * The server's side of an HTTP/1.1 connection (RFC 9112). Requests are taken one after the other, in the order in which
 * they came: a pipelined one waits until the response before it has been written.
 *
 * It arms no timers: its owner calls {@link check} about once a second.
 */
export class Http1Connection implements StreamHost<Http1Stream>, TransportListener {
  readonly #transport: ByteTransport;
  readonly #writer: TransportWriter;
  readonly #gate: InputPause;
  readonly #handler: Http1ConnectionHandler;
  readonly #limits: Http1Limits;
  readonly #time: Http1Time;
  readonly #head: HeadReader;
  readonly #persistence: Persistence;
  /** Bytes that came behind what is being read. */
  #rest: Uint8Array | undefined = undefined;
  #stream: Http1Stream | undefined = undefined;
  #reader: BodyReader | undefined = undefined;
  #state: "open" | "lingering" | "closed" = "open";
  #advancing = false;
  #since: number; // When the wait began in which the connection is now.
  #requests = 0;
  #discarded = 0;

  constructor(
    transport: ByteTransport,
    handler: Http1ConnectionHandler,
    limits: Http1Limits,
    time: Http1Time,
  ) {
    this.#transport = transport;
    this.#writer = new TransportWriter(transport, time.now);
    this.#gate = new InputPause(transport, time.now);
    this.#handler = handler;
    this.#limits = limits;
    this.#time = time;
    this.#since = time.now;
    this.#head = new HeadReader(limits.headerBytes);
    this.#persistence = new Persistence(limits.keepAliveLines);
  }

  /** Bytes came. */
  receive(chunk: Uint8Array): void {
    if (this.#state === "closed") return;
    if (this.#state === "lingering") {
      this.#discarded += chunk.length;
      if (this.#discarded <= this.#limits.earlyBytes) return;
      // One that sends on and takes nothing need not see the rest of its response.
      if (this.#transport.waitingBytes > 0) this.#transport.reset();
      else this.#transport.close();
      return;
    }
    this.#rest = joined(this.#rest, chunk);
    this.#advance();
  }

  /** The peer said that nothing follows. */
  peerEnded(): void {
    if (this.#state === "closed") return;
    this.#stream?.finish();
    const stream = this.#stream;
    this.#state = "closed";
    this.#stream = undefined;
    if (stream === undefined || stream.ended) {
      this.#transport.end();
      if (stream !== undefined) this.#over(stream);
      return;
    }
    // As most servers do: a client that waits for its response does not say goodbye before.
    stream.close(false);
    this.#transport.reset();
  }

  /** The transport has closed. */
  lost(error: Error | undefined): void {
    if (error !== undefined) this.#handler.onError(error);
    this.#finish();
  }

  #finish(): void {
    this.#state = "closed";
    // The rest of a request may be missing when its response is complete.
    this.#stream?.close(this.#stream.ended && !this.#writer.congested);
    this.#stream = undefined;
    this.#writer.drained(false);
  }

  /** The transport takes more. */
  drained(): void {
    this.#writer.drained(true);
    this.#stream?.drained();
    this.#advance();
  }

  /** Responses say `connection: close` from now on. */
  drain(): void {
    this.#persistence.draining = true;
  }

  /** Says goodbye if no request is on its way. */
  endIfIdle(): void {
    if (this.#stream === undefined && !this.#head.begun && this.#state === "open") this.#linger();
  }

  /** Ends the connection at once. */
  destroy(): void {
    // What is complete may still be on its way.
    const complete = this.#stream === undefined && !this.#writer.pending && this.#state !== "closed";
    if (complete) this.#transport.close();
    else this.#transport.reset();
    this.#finish();
  }

  /** Ends what takes too long. */
  check(now: number): void {
    const limits = this.#limits;
    const waited = now - this.#since;
    const stream = this.#stream;
    if (this.#state !== "open") {
      // The last response may still be on its way to a peer that takes it slowly.
      if (!this.#checkSent(now)) return;
      if (this.#transport.waitingBytes > 0) this.#since = now;
      else if (waited >= limits.earlyMs) this.#transport.close();
    } else if (stream === undefined) {
      if (this.#head.begun) {
        if (waited >= limits.headersTimeoutMs) this.#refuse(new Http1Error(408, "The head takes too long"));
      } else if (this.#checkSent(now)) {
        if (this.#writer.congested) this.#since = now;
        else if (waited >= (this.#requests === 0 ? limits.firstByteMs : limits.keepAliveMs)) this.#linger();
      }
    } else if (stream.ended) {
      if (waited >= limits.earlyMs) this.#next(stream, true);
    } else if (this.#checkSent(now)) {
      if (this.#reader?.goesOn(now, limits) === false) {
        this.#refuse(new Http1Error(408, "The body comes too slowly"));
      } else if (!this.#gate.goesOn(now, this.#writer.written, stream.responded, limits.stalledMs)) {
        this.#refuse(new Http1Error(408, "The response hangs"));
      }
    }
  }

  endAfterResponse(): void {
    this.#persistence.last = true;
  }

  persistenceLines(): string {
    return this.#persistence.lines(this.#stream?.head.keepAlive === true);
  }

  dateLine(): string {
    return dateLineOf(this.#time.wallClock());
  }

  write(pieces: readonly (string | Uint8Array)[]): boolean {
    return this.#writer.write(pieces);
  }

  responseEnded(stream: Http1Stream): void {
    if (stream !== this.#stream) return;
    const { body } = stream;
    if (body === undefined || body.ended) {
      this.#next(stream);
      return;
    }
    // What nobody will read stands between this request and the next one.
    this.#since = this.#time.now;
    this.#discarded = 0;
    if (this.#persistence.last || this.#reader!.remaining > this.#limits.earlyBytes) {
      this.#next(stream, true);
      return;
    }
    body.discard((bytes) => {
      this.#discarded += bytes;
      if (this.#discarded > this.#limits.earlyBytes) this.#next(stream, true);
    });
  }

  #next(stream: Http1Stream, last = this.#persistence.last): void {
    if (stream !== this.#stream) return;
    const wasPaused = this.#reader?.paused === true;
    this.#stream = undefined;
    this.#reader = undefined;
    this.#since = this.#time.now;
    if (wasPaused) this.#gate.pauseBody(false);
    this.#over(stream);
    if (this.#state !== "open") return;
    if (last) this.#linger();
    else this.#advance();
  }

  /** A response was handed over; its exchange is over when it has gone out. */
  #over(stream: Http1Stream): void {
    this.#writer.whenSent((complete) => stream.close(complete));
  }

  /** Takes what has come as far as it goes. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#rest !== undefined && this.#state === "open") {
        const before: Uint8Array | undefined = this.#rest;
        if (this.#stream === undefined) {
          // A peer that takes no responses gets no more of them.
          if (this.#writer.congested) break;
          this.#readHead(before);
        } else if (!this.#readBody(before)) break;
        if (this.#rest === before) break;
      }
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#advancing = false;
    }
    this.#gate.fill((this.#rest?.length ?? 0) > this.#limits.aheadBytes);
  }

  #readHead(bytes: Uint8Array): void {
    const begun = this.#head.begun;
    const text = this.#head.take(bytes);
    const { next } = this.#head;
    this.#rest = next < bytes.length ? bytes.subarray(next) : undefined;
    if (text !== undefined) this.#begin(text);
    else if (!begun && this.#head.begun) this.#since = this.#time.now;
  }

  /** A head is complete. */
  #begin(text: string): void {
    const head = parseRequestHead(text, this.#limits.headerBytes);
    const reader =
      head.bodyBytes === 0
        ? undefined
        : new BodyReader(head.bodyBytes, {
            wanted: () => stream.continue(),
            flow: () => this.#gate.pauseBody(this.#reader?.paused === true),
            gone: this.#handler.gone,
            time: this.#time,
          });
    const stream: Http1Stream = new Http1Stream(this, head, reader?.body);
    this.#stream = stream;
    this.#reader = reader;
    this.#requests++;
    this.#since = this.#time.now;
    // A body that has come with its head is there before anybody asks for it.
    if (this.#rest !== undefined) this.#readBody(this.#rest);
    this.#handler.onRequest(stream);
  }

  /** Reads on in the body of the current request; false when it is complete, and what follows must wait. */
  #readBody(bytes: Uint8Array): boolean {
    const stream = this.#stream;
    const reader = this.#reader;
    if (reader === undefined || reader.body.ended) return false;
    const taken = reader.take(bytes);
    // What came may have been too much, and the connection at its end.
    if (stream === undefined || stream !== this.#stream) return true;
    this.#rest = taken < bytes.length ? bytes.subarray(taken) : undefined;
    if (reader.body.ended && stream.ended) this.#next(stream);
    return true;
  }

  /** Ends the connection of a peer that takes its response too slowly. */
  #checkSent(now: number): boolean {
    if (this.#writer.goesOn(now, this.#limits)) return true;
    this.#handler.onError(new Http1Error(408, "The peer takes the response too slowly"));
    this.destroy();
    return false;
  }

  /** Responds for a request that cannot be taken, and ends the connection. */
  #refuse(error: unknown): void {
    if (this.#state !== "open") return;
    this.#handler.onError(error as Error);
    const stream = this.#stream;
    if (stream?.ended === true) this.#next(stream, true);
    else if (stream?.responded === true || !(error instanceof Http1Error)) this.destroy();
    else {
      this.write(refusalWith(error.status, this.dateLine()));
      this.#stream = undefined;
      this.#linger();
      stream?.close(false);
    }
  }

  /** Says that nothing follows, and listens on for a while: a close with unread bytes would take the last response back. */
  #linger(): void {
    this.#state = "lingering";
    this.#since = this.#time.now;
    this.#discarded = 0;
    this.#rest = undefined;
    this.#head.clear();
    this.#transport.end();
    this.#transport.resume();
  }
}
