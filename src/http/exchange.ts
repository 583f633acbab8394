import type { Connection } from "../core/connection.ts";
import { MeshError } from "../core/errors.ts";
import { type Fields, fieldOf, removeField, withField } from "./fields.ts";
import type { MessageBody } from "./message-body.ts";
import { resourceOf } from "./request-target.ts";

/** The error of a body or a response whose client left in mid-exchange. */
export function clientGone(): MeshError {
  return new MeshError("ERR_CANCELLED", "The client went away before the exchange was complete");
}

/** The error of a response that goes on where its declared length ends. */
export function longerThanDeclared(): TypeError {
  return new TypeError("The body of the response is longer than its Content-Length");
}

/** The error of a response that ends before its declared length does. */
export function shorterThanDeclared(): TypeError {
  return new TypeError("The body of the response is shorter than its Content-Length");
}

/**
 * A piece of a response's body, whatever its stream gives: handlers may be written in JavaScript.
 *
 * @throws TypeError for what cannot be sent
 */
export function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new TypeError("Cannot send the response: its stream gives something else than Uint8Array");
}

/** Whether a response has no body, whatever its fields say. */
export function isBodyless(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304;
}

/** What a request says before its body. */
export interface ExchangeRequest {
  readonly method: string;
  /** The request target as it was sent. */
  readonly target: string;
  /** `:authority`, else the Host field; undefined where the client named no host. */
  readonly authority: string | undefined;
  readonly fields: Fields;
}

const decimal = /^\d{1,15}$/;

/**
 * One request as a server has received it, and the way back for its response: what handlers of every kind run on,
 * whatever the version of HTTP. What costs something (the URL, the signal) is made when it is first asked for.
 *
 * A response that declares a length gets a body of that length or none that looks complete: more is cut off, less breaks
 * the exchange. Either way the next response on the connection begins where this one ends.
 */
export abstract class HttpExchange {
  readonly method: string;
  /** The fields of the request; pseudo-header fields may be among them. */
  fields: Fields;
  /** The body of the request; undefined when there is none. */
  body: MessageBody | undefined;
  /** Who is at the other end. */
  readonly connection: Connection;
  /** The absolute URL of what the request is for; empty before {@link resolve}. */
  url = "";
  /** The request target: as it was sent, and its path and query after {@link resolve}. */
  target: string;
  /** Whether the head of the response has begun to go out. */
  headersSent = false;

  readonly #authority: string | undefined;
  #controller: AbortController | undefined = undefined;
  #gone = false;
  #ended = false;
  #whenGone: (() => void) | undefined = undefined;
  #drainListener: (() => void) | undefined = undefined;
  /** Bytes that the declared length still has room for; Infinity when none was declared. */
  #left = Infinity;

  constructor(request: ExchangeRequest, body: MessageBody | undefined, connection: Connection) {
    this.#authority = request.authority;
    this.method = request.method;
    this.target = request.target;
    this.fields = request.fields;
    this.connection = connection;
    this.body = body;
  }

  get httpVersion(): string {
    return this.connection.httpVersion;
  }

  /** Aborts when the client goes away before the response is complete. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#gone) this.#controller.abort(clientGone());
    }
    return this.#controller.signal;
  }

  /** Whether the client went away before the response was complete. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Whether nothing more can be written: the response is complete, or the client has gone. */
  get over(): boolean {
    return this.#ended || this.#gone;
  }

  /**
   * Finds out what the request is for; `url`, `target` and the Host field say it from then on. The body of a GET or HEAD
   * request, which should have none, is passed over.
   *
   * @param ownHost - what a client means that names no host
   * @returns the status to refuse the request with when there is no such thing
   */
  resolve(ownHost: () => string): 400 | 405 | 501 | undefined {
    const scheme = this.connection.encrypted ? "https" : "http";
    const resource = resourceOf(scheme, this.#authority ?? ownHost(), this.target, this.method);
    if (typeof resource === "number") return resource;
    this.url = resource.url;
    this.target = resource.target;
    // Over HTTP/2 the authority is the host; handlers know it by its old name.
    const host = fieldOf(this.fields, "host");
    if (host === undefined) this.fields = [...this.fields, "host", resource.host];
    else if (host !== resource.host) this.fields = withField(this.fields, "host", resource.host);
    if (this.method === "GET" || this.method === "HEAD") {
      this.body?.discard();
      this.body = undefined;
    }
    return undefined;
  }

  /** Calls `listener` when the client goes away; it replaces the one before. */
  onGone(listener: (() => void) | undefined): void {
    this.#whenGone = listener;
    if (this.#gone) listener?.();
  }

  /** Calls `listener` once when {@link write} may go on after it returned false, and also when the client goes away. */
  whenDrained(listener: () => void): void {
    if (this.#gone) listener();
    else this.#drainListener = listener;
  }

  /**
   * Sends a whole response. The fields are the exchange's to change.
   *
   * @param payload - undefined for a response without a body
   * @param reason - the reason phrase, where the version of HTTP knows one
   * @throws TypeError when a field holds what none may; nothing has been sent then
   */
  respond(status: number, fields: string[], payload?: string | Uint8Array, reason = ""): void {
    if (this.over || this.headersSent) return;
    const declared = fieldOf(fields, "content-length");
    if (declared !== undefined && (status === 204 || !decimal.test(declared))) {
      removeField(fields, "content-length");
    }
    const sent = isBodyless(this.method, status) ? undefined : payload;
    this.writeHead({ status, reason, fields }, sent, true);
    this.headersSent = true;
    this.#ended = true;
  }

  /**
   * Begins a response whose body follows; over HTTP/1.1 the head waits for the first piece, or for {@link flush}.
   *
   * @throws TypeError when a field holds what none may; nothing has been sent then
   */
  begin(status: number, fields: string[], reason = ""): void {
    if (this.over || this.headersSent) return;
    if (isBodyless(this.method, status)) {
      // What would follow has no place, and would be read as the next response.
      this.respond(status, fields, undefined, reason);
      return;
    }
    const declared = fieldOf(fields, "content-length");
    if (declared !== undefined) {
      if (decimal.test(declared)) this.#left = Number(declared);
      else removeField(fields, "content-length");
    }
    this.writeHead({ status, reason, fields }, undefined, false);
    this.headersSent = true;
  }

  /** Sends a piece of the body. False when the next one should wait for {@link whenDrained}. */
  write(chunk: Uint8Array): boolean {
    if (this.over) return true;
    if (chunk.byteLength >= this.#left) {
      const surplus = chunk.byteLength - this.#left;
      const last = surplus === 0 ? chunk : chunk.subarray(0, this.#left);
      this.#left = 0;
      this.#ended = true;
      if (surplus > 0) this.endsConnection();
      this.writeBytes(last, true);
      if (surplus > 0) throw longerThanDeclared();
      return true;
    }
    this.#left -= chunk.byteLength;
    return this.writeBytes(chunk, false);
  }

  /**
   * Ends the response.
   *
   * @param trailers - where the version of HTTP has a place for them, and no length was declared
   * @throws TypeError when the body is shorter than it was declared: then it must be aborted
   */
  end(trailers?: Fields): void {
    if (this.over) return;
    if (this.#left > 0 && this.#left !== Infinity) {
      throw new TypeError(`The body of the response ends ${this.#left} bytes before its Content-Length`);
    }
    this.#ended = true;
    this.writeEnd(trailers);
  }

  /** Refuses a request that cannot be served, with what else its client may send. */
  abstract refuse(status: number): void;
  /** Sends a head that waits for a body to go with. */
  abstract flush(): void;
  /** Ends the exchange so that the client sees that the response is broken. */
  abstract abort(): void;

  protected abstract writeHead(
    head: ResponseStart,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void;
  protected abstract writeBytes(chunk: Uint8Array, ends: boolean): boolean;
  protected abstract writeEnd(trailers: Fields | undefined): void;
  /** The connection should not outlive this response. */
  protected abstract endsConnection(): void;

  /** The transport takes more. */
  protected tellDrained(): void {
    const listener = this.#drainListener;
    this.#drainListener = undefined;
    listener?.();
  }

  /** The exchange is over; `complete` says whether the whole response was handed to the transport. */
  protected tellOver(complete: boolean): void {
    if (complete || this.#gone) return;
    this.#gone = true;
    this.tellDrained();
    this.#whenGone?.();
    this.#controller?.abort(clientGone());
  }
}

/** What a response says before its body. */
export interface ResponseStart {
  readonly status: number;
  readonly reason: string;
  readonly fields: Fields;
}
