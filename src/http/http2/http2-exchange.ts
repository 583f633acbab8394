import type { Connection } from "../../core/connection.ts";
import { connectionFields } from "../../core/headers.ts";
import { clientGone, HttpExchange, type ResponseStart } from "../exchange.ts";
import { type Fields, fieldOf } from "../fields.ts";
import { MessageBody } from "../message-body.ts";
import { h2 } from "./frame/frame-types.ts";
import type { Http2Stream, StreamHandler } from "./streams/stream.ts";

/** How long a client may go on sending to a handler that has responded without reading everything. */
const lateMs = 500;
const encoder = new TextEncoder();

/** Adds fields to a block that goes out, without those that HTTP/2 forbids. */
function addFields(block: string[], fields: Fields): string[] {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    if (!connectionFields.has(name)) block.push(name, fields[at + 1]!);
  }
  return block;
}

/** The body of a request that arrives on a stream. */
function bodyOf(stream: Http2Stream, fields: Fields): MessageBody {
  return new MessageBody(
    {
      wanted() {
        // One of unknown length may be a stream of events.
        if (fieldOf(fields, "content-length") !== undefined) stream.expectBody();
        if (fieldOf(fields, "expect")?.toLowerCase() === "100-continue") stream.continue();
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
    },
    clientGone,
  );
}

/** One request of an HTTP/2 connection, and the way back for its response. */
export class Http2Exchange extends HttpExchange implements StreamHandler {
  readonly #stream: Http2Stream;
  readonly #incoming: MessageBody | undefined;
  #cancelLate: (() => void) | undefined = undefined;

  /** @param ended - whether the request has no body */
  constructor(stream: Http2Stream, fields: Fields, ended: boolean, connection: Connection) {
    const request = {
      method: fieldOf(fields, ":method") ?? "",
      target: fieldOf(fields, ":path") ?? "",
      authority: fieldOf(fields, ":authority") ?? fieldOf(fields, "host"),
      fields,
    };
    const body = ended ? undefined : bodyOf(stream, fields);
    super(request, body, connection);
    this.#stream = stream;
    this.#incoming = body;
    stream.handler = this;
  }

  onHeaders(): void {
    // They were there before the stream was.
  }

  onData(chunk: Uint8Array): void {
    this.#incoming?.push(chunk);
  }

  onTrailers(): void {
    // Nobody asks for those of a request.
  }

  onEnd(): void {
    this.#cancelLate?.();
    this.#incoming?.end();
  }

  onDrain(): void {
    this.tellDrained();
  }

  onClose(): void {
    const stream = this.#stream;
    this.#cancelLate?.();
    this.#incoming?.fail();
    this.tellOver(stream.localEnded && stream.closeReason !== "lost" && stream.rstCode === h2.noError);
  }

  refuse(status: number): void {
    this.#stream.letGoAtEnd = true;
    this.respond(status, []);
  }

  /** HTTP/2 headers never wait. */
  flush(): void {}

  abort(): void {
    this.#stream.close(h2.internalError);
  }

  protected override writeHead(
    { status, fields }: ResponseStart,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void {
    const stream = this.#stream;
    const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
    const bare = bytes === undefined || bytes.byteLength === 0;
    stream.respond(addFields([":status", String(status)], fields), ends && bare);
    if (!ends) return;
    if (!bare) stream.write(bytes, true);
    this.#discardRest();
  }

  protected override writeBytes(chunk: Uint8Array, ends: boolean): boolean {
    const more = this.#stream.write(chunk, ends);
    if (ends) this.writeEnd(undefined);
    return more;
  }

  protected override writeEnd(trailers: Fields | undefined): void {
    if (trailers === undefined) this.#stream.end();
    else this.#stream.endWithTrailers(addFields([], trailers));
    this.#discardRest();
  }

  /** Only the stream ends. */
  protected override endsConnection(): void {}

  /**
   * Lets a client finish what it is sending: a reset at once, which the standard allows, makes some clients
   * lose the response. One that does not come to an end is told to stop.
   */
  #discardRest(): void {
    const stream = this.#stream;
    if (stream.remoteEnded || stream.closed) return;
    this.#incoming?.discard();
    this.#cancelLate = stream.connection.options.clock.schedule(() => {
      // The end of the response may still wait for a client that reads slowly.
      if (stream.localEnded) stream.close(h2.noError);
      else stream.letGoAtEnd = true;
    }, lateMs);
  }
}
