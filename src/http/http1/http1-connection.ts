import type { ByteTransport, TransportListener } from "../byte-transport.ts";
import { BodyReader } from "./body-reader.ts";
import type { Http1ConnectionHandler } from "./connection-handler.ts";
import type { ExchangeHost } from "./exchange-host.ts";
import { HeadReader, joined } from "./head-reader.ts";
import { Http1Error } from "./http1-error.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import type { Http1Limits } from "./http1-limits.ts";
import type { Http1Time } from "./http1-time.ts";
import { InputPause } from "./input-pause.ts";
import { Persistence } from "./persistence.ts";
import { parseRequestHead } from "./request-head.ts";
import { dateLineOf, refusalWith } from "./response-head.ts";
import { TransportWriter } from "./transport-writer.ts";

/**
 * The server's side of an HTTP/1.1 connection (RFC 9112). Requests are taken one after the other, in the order in which
 * they came: a pipelined one waits until the response before it has been written.
 *
 * It arms no timers: its owner calls {@link check} about once a second.
 */
export class Http1Connection implements ExchangeHost<Http1Exchange>, TransportListener {
  readonly #transport: ByteTransport;
  readonly writer: TransportWriter;
  readonly #pause: InputPause;
  readonly #handler: Http1ConnectionHandler;
  readonly #limits: Http1Limits;
  readonly time: Http1Time;
  readonly #head: HeadReader;
  readonly persistence: Persistence;
  /** Bytes that came behind what is being read. */
  #rest: Uint8Array | undefined = undefined;
  #exchange: Http1Exchange | undefined = undefined;
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
    this.writer = new TransportWriter(transport, time.now);
    this.#pause = new InputPause(transport, time.now);
    this.#handler = handler;
    this.#limits = limits;
    this.time = time;
    this.#since = time.now;
    this.#head = new HeadReader(limits.headerBytes);
    this.persistence = new Persistence(limits.keepAliveLines);
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
    this.#exchange?.finish();
    const exchange = this.#exchange;
    this.#state = "closed";
    this.#exchange = undefined;
    if (exchange === undefined || exchange.handedOver) {
      this.#transport.end();
      if (exchange !== undefined) this.#over(exchange);
      return;
    }
    // As most servers do: a client that waits for its response does not end its side before it.
    exchange.close(false);
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
    this.#exchange?.close(this.#exchange.handedOver && !this.writer.congested);
    this.#exchange = undefined;
    this.writer.drained(false);
  }

  /** The transport takes more. */
  drained(): void {
    this.writer.drained(true);
    this.#exchange?.drained();
    this.#advance();
  }

  /** Responses say `connection: close` from now on. */
  drain(): void {
    this.persistence.draining = true;
  }

  /** Ends the connection if no request is on its way. */
  endIfIdle(): void {
    if (this.#exchange === undefined && !this.#head.begun && this.#state === "open") this.#linger();
  }

  /** Ends the connection at once. */
  destroy(): void {
    // What is complete may still be on its way.
    const complete = this.#exchange === undefined && !this.writer.pending && this.#state !== "closed";
    if (complete) this.#transport.close();
    else this.#transport.reset();
    this.#finish();
  }

  /** Ends what takes too long. */
  check(now: number): void {
    const limits = this.#limits;
    const waited = now - this.#since;
    const exchange = this.#exchange;
    if (this.#state !== "open") {
      // The last response may still be on its way to a peer that takes it slowly.
      if (!this.#checkSent(now)) return;
      if (this.#transport.waitingBytes > 0) this.#since = now;
      else if (waited >= limits.earlyMs) this.#transport.close();
    } else if (exchange === undefined) {
      if (this.#head.begun) {
        if (waited >= limits.headersTimeoutMs) this.#refuse(new Http1Error(408, "The head takes too long"));
      } else if (this.#checkSent(now)) {
        if (this.writer.congested) this.#since = now;
        else if (waited >= (this.#requests === 0 ? limits.firstByteMs : limits.keepAliveMs)) this.#linger();
      }
    } else if (exchange.handedOver) {
      if (waited >= limits.earlyMs) this.#next(exchange, true);
    } else if (this.#checkSent(now)) {
      if (this.#reader?.goesOn(now, limits) === false) {
        this.#refuse(new Http1Error(408, "The body comes too slowly"));
      } else if (!this.#pause.goesOn(now, this.writer.written, exchange.headersSent, limits.stalledMs)) {
        this.#refuse(new Http1Error(408, "The response hangs"));
      }
    }
  }

  closed(exchange: Http1Exchange, complete: boolean): void {
    if (exchange.served) this.#handler.onClose(exchange, complete);
  }

  responseEnded(exchange: Http1Exchange): void {
    if (exchange !== this.#exchange) return;
    const { incoming: body } = exchange;
    if (body === undefined || body.ended) {
      this.#next(exchange);
      return;
    }
    // What nobody will read stands between this request and the next one.
    this.#since = this.time.now;
    this.#discarded = 0;
    if (this.persistence.last || this.#reader!.remaining > this.#limits.earlyBytes) {
      this.#next(exchange, true);
      return;
    }
    body.discard((bytes) => {
      this.#discarded += bytes;
      if (this.#discarded > this.#limits.earlyBytes) this.#next(exchange, true);
    });
  }

  #next(exchange: Http1Exchange, last = this.persistence.last): void {
    if (exchange !== this.#exchange) return;
    const wasPaused = this.#reader?.paused === true;
    this.#exchange = undefined;
    this.#reader = undefined;
    this.#since = this.time.now;
    if (wasPaused) this.#pause.pauseBody(false);
    this.#over(exchange);
    if (this.#state !== "open") return;
    if (last) this.#linger();
    else this.#advance();
  }

  /** A response was handed over; its exchange is over when it has gone out. */
  #over(exchange: Http1Exchange): void {
    this.writer.whenSent((complete) => exchange.close(complete));
  }

  /** Takes what has come as far as it goes. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#rest !== undefined && this.#state === "open") {
        const before: Uint8Array | undefined = this.#rest;
        if (this.#exchange === undefined) {
          // A peer that takes no responses gets no more of them.
          if (this.writer.congested) break;
          this.#readHead(before);
        } else if (!this.#readBody(before)) break;
        if (this.#rest === before) break;
      }
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#advancing = false;
    }
    this.#pause.fill((this.#rest?.length ?? 0) > this.#limits.aheadBytes);
  }

  #readHead(bytes: Uint8Array): void {
    const begun = this.#head.begun;
    const text = this.#head.take(bytes);
    const { next } = this.#head;
    this.#rest = next < bytes.length ? bytes.subarray(next) : undefined;
    if (text !== undefined) this.#begin(text);
    else if (!begun && this.#head.begun) this.#since = this.time.now;
  }

  /** A head is complete. */
  #begin(text: string): void {
    const head = parseRequestHead(text, this.#limits.headerBytes);
    const reader =
      head.bodyBytes === 0
        ? undefined
        : new BodyReader(head.bodyBytes, {
            wanted: () => exchange.continue(),
            flow: () => this.#pause.pauseBody(this.#reader?.paused === true),
            time: this.time,
          });
    const exchange: Http1Exchange = new Http1Exchange(this, head, reader?.body, this.#handler.connection);
    this.#exchange = exchange;
    this.#reader = reader;
    this.#requests++;
    this.#since = this.time.now;
    // A body that has come with its head is there before anybody asks for it.
    if (this.#rest !== undefined) this.#readBody(this.#rest);
    exchange.served = true;
    this.#handler.onRequest(exchange);
  }

  /** Reads on in the body of the current request; false when it is complete, and what follows must wait. */
  #readBody(bytes: Uint8Array): boolean {
    const exchange = this.#exchange;
    const reader = this.#reader;
    if (reader === undefined || reader.body.ended) return false;
    const taken = reader.take(bytes);
    // What came may have been too much, and the connection at its end.
    if (exchange === undefined || exchange !== this.#exchange) return true;
    this.#rest = taken < bytes.length ? bytes.subarray(taken) : undefined;
    if (reader.body.ended && exchange.handedOver) this.#next(exchange);
    return true;
  }

  /** Ends the connection of a peer that takes its response too slowly. */
  #checkSent(now: number): boolean {
    if (this.writer.goesOn(now, this.#limits)) return true;
    this.#handler.onError(new Http1Error(408, "The peer takes the response too slowly"));
    this.destroy();
    return false;
  }

  /** Responds for a request that cannot be taken, and ends the connection. */
  #refuse(error: unknown): void {
    if (this.#state !== "open") return;
    this.#handler.onError(error as Error);
    const exchange = this.#exchange;
    if (exchange?.handedOver === true) this.#next(exchange, true);
    else if (exchange?.headersSent === true || !(error instanceof Http1Error)) this.destroy();
    else {
      this.writer.write(refusalWith(error.status, dateLineOf(this.time.wallClock())));
      this.#exchange = undefined;
      this.#linger();
      exchange?.close(false);
    }
  }

  /** Says that nothing follows, and listens on for a while: a close with unread bytes would take the last response back. */
  #linger(): void {
    this.#state = "lingering";
    this.#since = this.time.now;
    this.#discarded = 0;
    this.#rest = undefined;
    this.#head.clear();
    this.#transport.end();
    this.#transport.resume();
  }
}
