import { type BodySource, MessageBody } from "../message-body.ts";
import { BodyReader } from "./body-reader.ts";
import type { ByteTransport } from "./byte-transport.ts";
import { HeadReader } from "./head-reader.ts";
import { Http1Error } from "./http1-error.ts";
import type { Http1Limits } from "./http1-limits.ts";
import { Http1Stream } from "./http1-stream.ts";
import { parseRequestHead } from "./request-head.ts";
import { ResponseHead } from "./response-head.ts";
import { TransportWriter } from "./transport-writer.ts";

/** What an HTTP/1.1 connection tells of itself. */
export interface Http1ConnectionHandler {
  /** A request has come; its body, if it has one, follows. A throw ends the connection. */
  onRequest(stream: Http1Stream): void;
  /** The peer broke the rules, or was too slow; the connection comes to its end. */
  onError(error: Error): void;
  /** Makes the error for a body whose sender went away before its end. */
  gone(): unknown;
}

/**
 * The server's side of an HTTP/1.1 connection (RFC 9112). Requests are taken one after the other, in the order in which
 * they came: a pipelined one waits until the response before it has been written.
 *
 * It has no timers. Whoever owns it calls {@link check} about once a second.
 */
export class Http1Connection {
  readonly #transport: ByteTransport;
  readonly #writer: TransportWriter;
  readonly #handler: Http1ConnectionHandler;
  readonly #limits: Http1Limits;
  readonly #time: { readonly now: number };
  readonly #head: HeadReader;
  /** Bytes that came behind what is being read. */
  #rest: Uint8Array | undefined = undefined;
  #stream: Http1Stream | undefined = undefined;
  #reader: BodyReader | undefined = undefined;
  #state: "open" | "lingering" | "closed" = "open";
  #last = false;
  #draining = false;
  #advancing = false;
  #inputPaused = false;
  /** When the wait began in which the connection is now. */
  #since: number;
  #requests = 0;
  #discarded = 0;

  constructor(
    transport: ByteTransport,
    handler: Http1ConnectionHandler,
    limits: Http1Limits,
    time: { readonly now: number },
  ) {
    this.#transport = transport;
    this.#writer = new TransportWriter(transport);
    this.#handler = handler;
    this.#limits = limits;
    this.#time = time;
    this.#since = time.now;
    this.#head = new HeadReader(limits.headerBytes);
  }

  /** Bytes came. */
  receive(chunk: Uint8Array): void {
    if (this.#state === "closed") return;
    if (this.#state === "lingering") {
      this.#discarded += chunk.length;
      if (this.#discarded > this.#limits.earlyBytes) this.#transport.destroy();
      return;
    }
    this.#rest = this.#rest === undefined ? chunk : joined(this.#rest, chunk);
    this.#advance();
  }

  /** The peer said that nothing follows. */
  peerEnded(): void {
    if (this.#state === "closed") return;
    const stream = this.#stream;
    const cut = stream !== undefined;
    this.#state = "closed";
    this.#stream = undefined;
    // As most servers do: a client that waits for its response does not say goodbye before.
    stream?.close(false);
    if (cut) this.#transport.destroy();
    else this.#transport.end();
  }

  /** The transport has closed. */
  lost(): void {
    this.#state = "closed";
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.close(false);
  }

  /** The transport takes more. */
  drained(): void {
    this.#writer.congested = false;
    this.#stream?.handler.onDrain();
    this.#advance();
  }

  /** Responses say `connection: close` from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Whether no request is being read or answered. */
  get idle(): boolean {
    return this.#stream === undefined && !this.#head.begun;
  }

  /** Says goodbye if no request is on its way. */
  endIfIdle(): void {
    if (this.idle && this.#state === "open") this.#linger();
  }

  /** Ends the connection at once. */
  destroy(): void {
    if (this.#state === "closed") return;
    this.#transport.destroy();
    this.lost();
  }

  /** Ends what takes too long. */
  check(now: number): void {
    const limits = this.#limits;
    const waited = now - this.#since;
    const stream = this.#stream;
    if (this.#state === "lingering") {
      if (waited >= limits.earlyMs) this.destroy();
    } else if (this.#state === "closed") {
      if (waited >= limits.earlyMs) this.#transport.destroy();
    } else if (stream === undefined) {
      if (this.#head.begun) {
        if (waited >= limits.headersTimeoutMs) this.#refuse(new Http1Error(408, "The head takes too long"));
      } else if (this.#checkSent(now)) {
        if (waited >= (this.#requests === 0 ? limits.firstByteMs : limits.keepAliveMs)) this.#linger();
      }
    } else if (stream.ended) {
      if (waited >= limits.earlyMs) this.#linger();
    } else if (this.#checkSent(now) && this.#reader?.goesOn(now, limits) === false) {
      this.#refuse(new Http1Error(408, "The body comes too slowly"));
    }
  }

  /** For the stream: the connection ends when the response has been written. */
  endAfterResponse(): void {
    this.#last = true;
  }

  /** For the stream: what a response says about the life of the connection. */
  persistenceLines(): string {
    if (this.#last || this.#draining || this.#stream?.head.keepAlive !== true) {
      this.#last = true;
      return "connection: close\r\n";
    }
    return this.#limits.keepAliveLines;
  }

  /** For the stream: hands bytes to the transport. */
  write(pieces: readonly (string | Uint8Array)[]): boolean {
    return this.#writer.write(pieces);
  }

  /** For the stream: the whole response was handed over. */
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
    if (this.#last || this.#reader!.remaining > this.#limits.earlyBytes) {
      this.#next(stream, true);
      return;
    }
    body.discard((bytes) => {
      this.#discarded += bytes;
      if (this.#discarded > this.#limits.earlyBytes) this.#next(stream, true);
    });
  }

  #next(stream: Http1Stream, last = this.#last): void {
    if (stream !== this.#stream) return;
    const wasPaused = this.#reader?.paused === true;
    this.#stream = undefined;
    this.#reader = undefined;
    this.#since = this.#time.now;
    if (wasPaused) this.#flow();
    stream.close(true);
    if (this.#state !== "open") return;
    if (last) this.#linger();
    else this.#advance();
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
    const full = (this.#rest?.length ?? 0) > this.#limits.aheadBytes;
    if (full !== this.#inputPaused) {
      this.#inputPaused = full;
      this.#flow();
    }
  }

  #flow(): void {
    if (this.#reader?.paused === true || this.#inputPaused) this.#transport.pause();
    else this.#transport.resume();
  }

  #readHead(bytes: Uint8Array): void {
    const begun = this.#head.begun;
    const text = this.#head.take(bytes);
    const { next } = this.#head;
    this.#rest = next < bytes.length ? bytes.subarray(next) : undefined;
    if (text !== undefined) this.#begin(text);
    else if (!begun) this.#since = this.#time.now;
  }

  /** A head is complete. */
  #begin(text: string): void {
    const head = parseRequestHead(text, this.#limits.headerBytes);
    const now = this.#time.now;
    let reader: BodyReader | undefined;
    if (head.bodyBytes !== 0) {
      const source: BodySource = {
        wanted: () => stream.continue(),
        pause: () => this.#pauseBody(stream, true),
        resume: () => this.#pauseBody(stream, false),
      };
      reader = new BodyReader(new MessageBody(source, this.#handler.gone), head.bodyBytes, now);
    }
    const stream = new Http1Stream(this, head, reader?.body);
    this.#stream = stream;
    this.#reader = reader;
    this.#requests++;
    this.#since = now;
    // A body that has come with its head is there before anybody asks for it.
    if (this.#rest !== undefined) this.#readBody(this.#rest);
    this.#handler.onRequest(stream);
  }

  #pauseBody(stream: Http1Stream, paused: boolean): void {
    if (stream !== this.#stream) return;
    this.#reader?.pause(paused, this.#time.now);
    this.#flow();
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
    if (stream?.responded === true || !(error instanceof Http1Error)) {
      this.destroy();
      return;
    }
    const head = new ResponseHead(error.status, "", { "content-length": "0" });
    head.addLines("connection: close\r\n");
    this.write(head.with(undefined));
    this.#stream = undefined;
    this.#linger();
    stream?.close(false);
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

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
