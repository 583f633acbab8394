import type { Connection } from "../../core/connection.ts";
import { HttpExchange, type ResponseStart } from "../exchange.ts";
import type { MessageBody } from "../message-body.ts";
import type { ExchangeHost } from "./exchange-host.ts";
import type { RequestHead } from "./request-head.ts";
import { dateLineOf, ResponseHead } from "./response-head.ts";

/** Chunks up to this size leave in one piece with their framing; larger ones are not copied. */
const copyBytes = 8_192;
/**
 * Longer pieces are handed over in parts: a transport says that a part has gone only when all of it has, and by that a
 * slow peer is told from one that takes nothing.
 */
const partBytes = 131_072;
const lastChunk = "0\r\n\r\n";
const encoder = new TextEncoder();

/** One request of an HTTP/1.1 connection, and the way back for its response. */
export class Http1Exchange extends HttpExchange {
  readonly head: RequestHead;
  /** The body as the connection knows it, also where it does not count; undefined when there is none. */
  readonly incoming: MessageBody | undefined;
  /** Whether the handler of the connection was told of it, so that it must be told of its end. */
  served = false;
  /** Whether the whole response was handed to the transport. */
  handedOver = false;
  /** Whether the exchange is over, for whatever reason. */
  closed = false;
  /** Whether the peer was told that it may send the body. */
  continued = false;
  readonly #host: ExchangeHost<Http1Exchange>;
  #pendingHead: ResponseHead | undefined = undefined;
  #chunked = false;
  /** What is left of a piece that is handed over in parts, and whether the response ends with it. */
  #unsent: Uint8Array | undefined = undefined;
  #unsentEnds = false;

  constructor(
    host: ExchangeHost<Http1Exchange>,
    head: RequestHead,
    body: MessageBody | undefined,
    connection: Connection,
  ) {
    super(head, body, connection);
    this.#host = host;
    this.head = head;
    this.incoming = body;
  }

  refuse(status: number): void {
    this.endsConnection();
    this.respond(status, ["content-length", "0"]);
  }

  /** Sends a head that still waits for a body to go with. */
  flush(): void {
    if (this.#pendingHead === undefined || this.closed) return;
    this.#host.writer.write(this.#takeHead().with(undefined));
  }

  /** Breaks the exchange off, and the connection with it. */
  abort(): void {
    if (!this.closed) this.#host.destroy();
  }

  /** Tells a peer that waits for it that it may send the body. */
  continue(): void {
    if (!this.head.expectsContinue || this.continued || this.headersSent || this.closed) return;
    this.continued = true;
    this.#host.writer.write(["HTTP/1.1 100 Continue\r\n\r\n"]);
  }

  /** For the connection: the transport takes more. */
  drained(): void {
    if (this.#unsent === undefined || this.#handParts()) this.tellDrained();
  }

  /** For the connection: the peer has ended its side, and waits for the rest of a response that is there, if for anything. */
  finish(): void {
    const rest = this.#unsent;
    if (rest === undefined || !this.#unsentEnds) return;
    this.#unsent = undefined;
    this.#hand(rest, true);
  }

  /** For the connection: it is over. */
  close(complete: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.#pendingHead = undefined;
    this.#unsent = undefined;
    // A complete response does not make a complete request.
    this.incoming?.fail();
    try {
      this.tellOver(complete);
    } finally {
      this.#host.closed(this, complete);
    }
  }

  protected override writeHead(
    start: ResponseStart,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void {
    const head = new ResponseHead(start);
    const open = !ends && !head.hasLength;
    this.#chunked = open && this.head.minor === 1;
    // An end of the connection is the only one that HTTP/1.0 knows for a body of unknown length.
    if ((open && !this.#chunked) || head.closes || this.#leavesBody()) this.#host.persistence.last = true;
    if (!head.hasDate) head.addLines(dateLineOf(this.#host.time.wallClock()));
    if (this.#chunked) head.addLines("transfer-encoding: chunked\r\n");
    head.addLines(this.#host.persistence.lines(this.head.keepAlive));
    // The connection looks at it before the response is over.
    this.headersSent = true;
    if (ends && payload !== undefined && payload.length > partBytes) {
      this.#pendingHead = head;
      this.writeBytes(typeof payload === "string" ? encoder.encode(payload) : payload, true);
    } else if (ends) {
      this.#host.writer.write(head.with(payload));
      this.#handedOver();
    } else this.#pendingHead = head;
  }

  protected override writeBytes(chunk: Uint8Array, ends: boolean): boolean {
    if (this.closed || this.handedOver) return true;
    const before = this.#unsent;
    this.#unsent = undefined;
    if (before !== undefined) this.#hand(before, false);
    if (chunk.length <= partBytes) return this.#hand(chunk, ends);
    this.#unsent = chunk;
    this.#unsentEnds = ends;
    return this.#handParts();
  }

  /** Trailers have no place here: gRPC does not run over HTTP/1.1; Connect and gRPC-Web put theirs into the body. */
  protected override writeEnd(): void {
    if (this.closed || this.handedOver) return;
    if (this.#unsent !== undefined) {
      this.#unsentEnds = true;
      return;
    }
    const last = this.#chunked ? lastChunk : undefined;
    if (this.#pendingHead !== undefined) this.#host.writer.write(this.#takeHead().with(last));
    else if (last !== undefined) this.#host.writer.write([last]);
    this.#handedOver();
  }

  protected override endsConnection(): void {
    this.#host.persistence.last = true;
  }

  #handParts(): boolean {
    let more = true;
    while (more && this.#unsent !== undefined && !this.closed) {
      const bytes = this.#unsent;
      const last = bytes.length <= partBytes;
      this.#unsent = last ? undefined : bytes.subarray(partBytes);
      more = this.#hand(last ? bytes : bytes.subarray(0, partBytes), last && this.#unsentEnds);
    }
    return more;
  }

  #hand(chunk: Uint8Array, ends: boolean): boolean {
    const pieces = this.#chunked ? chunkOf(chunk, ends) : [chunk];
    const more = this.#host.writer.write(
      this.#pendingHead === undefined ? pieces : [...this.#takeHead().with(undefined), ...pieces],
    );
    if (ends) this.#handedOver();
    return more;
  }

  #takeHead(): ResponseHead {
    const head = this.#pendingHead!;
    this.#pendingHead = undefined;
    return head;
  }

  /** Whether the peer waits for a word to send a body that nobody wants: nothing says whether it will come. */
  #leavesBody(): boolean {
    return this.head.expectsContinue && !this.continued && this.incoming?.ended === false;
  }

  #handedOver(): void {
    this.handedOver = true;
    this.#host.responseEnded(this);
  }
}

function chunkOf(bytes: Uint8Array, last: boolean): readonly (string | Uint8Array)[] {
  if (bytes.length === 0) return last ? [lastChunk] : [];
  const size = `${bytes.length.toString(16)}\r\n`;
  const tail = last ? `\r\n${lastChunk}` : "\r\n";
  if (bytes.length > copyBytes) return [size, bytes, tail];
  const piece = new Uint8Array(size.length + bytes.length + tail.length);
  encoder.encodeInto(size, piece);
  piece.set(bytes, size.length);
  encoder.encodeInto(tail, piece.subarray(size.length + bytes.length));
  return [piece];
}
