import type { MessageBody } from "../message-body.ts";
import type { RequestHead } from "./request-head.ts";
import { type ResponseFields, ResponseHead } from "./response-head.ts";
import type { StreamHost } from "./stream-host.ts";

/** Follows one request of an HTTP/1.1 connection. */
export interface Http1StreamHandler {
  /** {@link Http1Stream.write} may go on after it said no. */
  onDrain(): void;
  /** The exchange is over; `complete` says whether the whole response was handed to the transport. */
  onClose(complete: boolean): void;
}

const noHandler: Http1StreamHandler = { onDrain() {}, onClose() {} };

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
export class Http1Stream {
  readonly head: RequestHead;
  /** Undefined when the request has none. */
  readonly body: MessageBody | undefined;
  handler: Http1StreamHandler = noHandler;
  /** Whether the final response has begun, also when its head still waits for the first piece of the body. */
  responded = false;
  /** Whether the whole response was handed to the transport. */
  ended = false;
  /** Whether the exchange is over, for whatever reason. */
  closed = false;
  /** Whether the peer was told that it may send the body. */
  continued = false;
  readonly #connection: StreamHost<Http1Stream>;
  #pendingHead: ResponseHead | undefined = undefined;
  #chunked = false;
  #bodyless = false;
  /** What is left of a piece that is handed over in parts, and whether the response ends with it. */
  #unsent: Uint8Array | undefined = undefined;
  #unsentEnds = false;

  constructor(connection: StreamHost<Http1Stream>, head: RequestHead, body: MessageBody | undefined) {
    this.#connection = connection;
    this.head = head;
    this.body = body;
  }

  /**
   * Begins the response.
   *
   * @param payload - the whole body
   * @param ends - whether nothing follows; else the head waits for the first piece, or for {@link flush}
   * @throws TypeError when a field holds what no head may; nothing has been written then
   */
  respond(
    status: number,
    reason: string,
    fields: ResponseFields,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void {
    if (this.responded || this.closed) return;
    const head = new ResponseHead(status, reason, fields);
    const bodyless = this.head.method === "HEAD" || status === 204 || status === 304;
    const open = !ends && !bodyless && fields["content-length"] === undefined;
    this.#bodyless = bodyless;
    this.#chunked = open && this.head.minor === 1;
    // An end of the connection is the only one that HTTP/1.0 knows for a body of unknown length.
    const closes = (open && !this.#chunked) || saysClose(fields.connection) || this.#leavesBody();
    if (closes) this.#connection.endAfterResponse();
    if (fields.date === undefined) head.addLines(this.#connection.dateLine());
    if (this.#chunked) head.addLines("transfer-encoding: chunked\r\n");
    head.addLines(this.#connection.persistenceLines());
    this.responded = true;
    if (ends && !bodyless && payload !== undefined && payload.length > partBytes) {
      this.#pendingHead = head;
      this.write(typeof payload === "string" ? encoder.encode(payload) : payload, true);
    } else if (ends || bodyless) {
      this.#connection.write(head.with(bodyless ? undefined : payload));
      if (ends) this.#end();
    } else this.#pendingHead = head;
  }

  /** Sends a head that still waits for a body to go with. */
  flush(): void {
    if (this.#pendingHead === undefined || this.closed) return;
    this.#connection.write(this.#takeHead().with(undefined));
  }

  /** Sends bytes of the body. False when the next ones should wait for {@link Http1StreamHandler.onDrain}. */
  write(chunk: Uint8Array, ends = false): boolean {
    if (this.closed || this.ended) return true;
    if (this.#bodyless) {
      if (ends) this.#end();
      return true;
    }
    const before = this.#unsent;
    this.#unsent = undefined;
    if (before !== undefined) this.#hand(before, false);
    if (chunk.length <= partBytes) return this.#hand(chunk, ends);
    this.#unsent = chunk;
    this.#unsentEnds = ends;
    return this.#handParts();
  }

  /** For the connection: the transport takes more. */
  drained(): void {
    if (this.#unsent === undefined || this.#handParts()) this.handler.onDrain();
  }

  /** For the connection: the peer has ended its side, and waits for the rest of a response that is there, if for anything. */
  finish(): void {
    const rest = this.#unsent;
    if (rest === undefined || !this.#unsentEnds) return;
    this.#unsent = undefined;
    this.#hand(rest, true);
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
    const more = this.#connection.write(
      this.#pendingHead === undefined ? pieces : [...this.#takeHead().with(undefined), ...pieces],
    );
    if (ends) this.#end();
    return more;
  }

  /** Ends the response. */
  end(): void {
    if (this.closed || this.ended) return;
    if (this.#unsent !== undefined) {
      this.#unsentEnds = true;
      return;
    }
    const last = this.#chunked ? lastChunk : undefined;
    if (this.#pendingHead !== undefined) this.#connection.write(this.#takeHead().with(last));
    else if (last !== undefined) this.#connection.write([last]);
    this.#end();
  }

  /** Tells a peer that waits for it that it may send the body. */
  continue(): void {
    if (!this.head.expectsContinue || this.continued || this.responded || this.closed) return;
    this.continued = true;
    this.#connection.write(["HTTP/1.1 100 Continue\r\n\r\n"]);
  }

  /** The connection ends with this response. */
  endsConnection(): void {
    this.#connection.endAfterResponse();
  }

  /** Breaks the exchange off, and the connection with it. */
  abort(): void {
    if (!this.closed) this.#connection.destroy();
  }

  /** For the connection: it is over. */
  close(complete: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.#pendingHead = undefined;
    this.#unsent = undefined;
    // A complete response does not make a complete request.
    this.body?.fail();
    this.handler.onClose(complete);
  }

  #takeHead(): ResponseHead {
    const head = this.#pendingHead!;
    this.#pendingHead = undefined;
    return head;
  }

  /** Whether the peer waits for a word to send a body that nobody wants: nothing says whether it will come. */
  #leavesBody(): boolean {
    return this.head.expectsContinue && !this.continued && this.body?.ended === false;
  }

  #end(): void {
    this.ended = true;
    this.#connection.responseEnded(this);
  }
}

/** Whether a handler wants the connection to end. */
function saysClose(connection: ResponseFields[string]): boolean {
  return connection !== undefined && /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(String(connection));
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
