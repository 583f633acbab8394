import type { ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { EncodedMessage } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { h2 } from "./faults.ts";
import { addMetadata } from "./metadata.ts";
import type { GrpcContext } from "./server-context.ts";
import { encodeDetails, encodeMessage } from "./status.ts";
import { contentTypeJson, contentTypeProto } from "./wire.ts";
import { endWithMessage } from "./write.ts";

type Block = Record<string, string | number>;

const kTrailers: unique symbol = Symbol("trailers");
type TrailingStream = ServerHttp2Stream & { [kTrailers]: Block };

/** Whether the client may still be sending. */
function unread(stream: ServerHttp2Stream): boolean {
  return !stream.readableEnded && !stream.endAfterHeaders;
}

/** Tells a client that still sends to stop: what it sends is of no use. */
function letGo(this: unknown): void {
  (this as ServerHttp2Stream).close(h2.noError);
}

function onWantTrailers(this: unknown): void {
  const stream = this as TrailingStream;
  if (stream.destroyed || stream.closed) return;
  stream.sendTrailers(stream[kTrailers] as Record<string, string>);
  // The runtime sends the trailers in an immediate of its own: the reset must come behind it.
  if (unread(stream)) setImmediate(() => stream.close(h2.noError));
}

const trailing: object = { waitForTrailers: true, sendDate: false };
const trailersOnly: object = { endStream: true, sendDate: false };
const okTrailers: Block = { "grpc-status": "0" };
const headers: Readonly<Record<"proto" | "json", Block>> = {
  proto: { ":status": 200, "content-type": contentTypeProto },
  json: { ":status": 200, "content-type": contentTypeJson },
};

/** Adds an error to the trailers: its metadata, its status, its message and its details. */
function addStatus(block: Block, error: ConnectError): void {
  // What somebody else's answer said stays between them and this side.
  if (!error.isWireError) addMetadata(block as Record<string, string>, error.metadata);
  block["grpc-status"] = String(error.code);
  if (error.rawMessage !== "") block["grpc-message"] = encodeMessage(error.rawMessage);
  if (error.details.length > 0) block["grpc-status-details-bin"] = encodeDetails(error);
}

/** The answer to one RPC, on the wire. */
export class ServerResponse {
  readonly stream: ServerHttp2Stream;
  readonly #format: "proto" | "json";
  /** How messages are compressed; stated in the headers. */
  compression: Compression | undefined = undefined;
  #ended = false;

  constructor(stream: ServerHttp2Stream, format: "proto" | "json") {
    this.stream = stream;
    this.#format = format;
  }

  /** Whether the last word was said. */
  get ended(): boolean {
    return this.#ended;
  }

  #headers(context: GrpcContext | undefined): Block {
    const touched = context?.touchedHeader;
    const plain = headers[this.#format];
    if (touched === undefined && this.compression === undefined) return plain;
    const block: Block = { ...plain };
    if (this.compression !== undefined) block["grpc-encoding"] = this.compression.name;
    if (touched !== undefined) addMetadata(block as Record<string, string>, touched);
    return block;
  }

  /** Sends the headers, unless they went out already. */
  begin(context: GrpcContext | undefined): void {
    const stream = this.stream;
    if (stream.headersSent || stream.destroyed || stream.closed) return;
    stream.respond(this.#headers(context), trailing);
    stream.on("wantTrailers", onWantTrailers);
  }

  /** Ends the answer well; `last` is the last message, if it was not sent yet. */
  finish(context: GrpcContext, last: EncodedMessage | undefined): void {
    const stream = this.stream as TrailingStream;
    if (this.#ended) return;
    this.#ended = true;
    if (stream.destroyed || stream.closed) return;
    this.begin(context);
    const touched = context.touchedTrailer;
    if (touched === undefined) {
      stream[kTrailers] = okTrailers;
    } else {
      const block: Block = {};
      addMetadata(block as Record<string, string>, touched);
      block["grpc-status"] = "0";
      stream[kTrailers] = block;
    }
    if (last === undefined) stream.end();
    else endWithMessage(stream, last);
  }

  /** Ends the answer with an error; in one block when there is nothing else to say. `cancelled` says that it cannot wait. */
  fail(context: GrpcContext | undefined, error: ConnectError, cancelled: boolean): void {
    const stream = this.stream as TrailingStream;
    if (this.#ended) return;
    this.#ended = true;
    if (stream.destroyed || stream.closed) return;
    const header = context?.touchedHeader;
    const trailer = context?.touchedTrailer;
    if (!stream.headersSent && header === undefined && trailer === undefined) {
      const block: Block = { ...headers[this.#format] };
      addStatus(block, error);
      stream.respond(block, trailersOnly);
      if (unread(stream)) stream.on("finish", letGo);
    } else if (cancelled && stream.writableNeedDrain) {
      // The peer does not read: a status behind what it does not read would never arrive.
      stream.close(h2.cancel);
      return;
    } else {
      this.begin(context);
      const block: Block = {};
      if (trailer !== undefined) addMetadata(block as Record<string, string>, trailer);
      addStatus(block, error);
      stream[kTrailers] = block;
      stream.end();
    }
  }
}
