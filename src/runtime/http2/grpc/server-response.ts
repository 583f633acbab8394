import type { ConnectError } from "@connectrpc/connect";
import { h2 } from "../wire/frames.ts";
import type { Fields, Http2Stream } from "../wire/stream.ts";
import type { EncodedMessage } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { addMetadata } from "./metadata.ts";
import type { GrpcContext } from "./server-context.ts";
import { encodeDetails, encodeMessage } from "./status.ts";
import { contentTypeJson, contentTypeProto } from "./wire.ts";

const okTrailers: Fields = ["grpc-status", "0"];
const headers: Readonly<Record<"proto" | "json", Fields>> = {
  proto: [":status", "200", "content-type", contentTypeProto],
  json: [":status", "200", "content-type", contentTypeJson],
};

/** Adds an error to the trailers: its metadata, its status, its message and its details. */
function addStatus(fields: string[], error: ConnectError): void {
  // What somebody else's answer said stays between them and this side.
  if (!error.isWireError) addMetadata(fields, error.metadata);
  fields.push("grpc-status", String(error.code));
  if (error.rawMessage !== "") fields.push("grpc-message", encodeMessage(error.rawMessage));
  if (error.details.length > 0) fields.push("grpc-status-details-bin", encodeDetails(error));
}

/** The answer to one RPC, on the wire. */
export class ServerResponse {
  readonly stream: Http2Stream;
  readonly #format: "proto" | "json";
  /** How messages are compressed; stated in the headers. */
  compression: Compression | undefined = undefined;
  #begun = false;
  #ended = false;

  constructor(stream: Http2Stream, format: "proto" | "json") {
    this.stream = stream;
    this.#format = format;
    // What a client still sends when it has its answer is of no use.
    stream.letGoAtEnd = true;
  }

  #headers(context: GrpcContext | undefined): Fields {
    const touched = context?.touchedHeader;
    const plain = headers[this.#format];
    if (touched === undefined && this.compression === undefined) return plain;
    const fields = plain.slice();
    if (this.compression !== undefined) fields.push("grpc-encoding", this.compression.name);
    if (touched !== undefined) addMetadata(fields, touched);
    return fields;
  }

  /** Sends the headers, unless they went out already. */
  begin(context: GrpcContext | undefined): void {
    if (this.#begun) return;
    this.#begun = true;
    this.stream.respond(this.#headers(context), false);
  }

  /** Ends the answer well; `last` is the last message, if it was not sent yet. */
  finish(context: GrpcContext, last: EncodedMessage | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.begin(context);
    const { stream } = this;
    if (last !== undefined) stream.writeMessage(last.flags, last.bytes);
    const touched = context.touchedTrailer;
    if (touched === undefined) {
      stream.endWithTrailers(okTrailers);
    } else {
      const fields: string[] = [];
      addMetadata(fields, touched);
      fields.push("grpc-status", "0");
      stream.endWithTrailers(fields);
    }
  }

  /** Ends the answer with an error; in one block when there is nothing else to say. `cancelled` says that it cannot wait. */
  fail(context: GrpcContext | undefined, error: ConnectError, cancelled: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    const { stream } = this;
    const header = context?.touchedHeader;
    const trailer = context?.touchedTrailer;
    if (!this.#begun && header === undefined && trailer === undefined) {
      const fields = headers[this.#format].slice();
      addStatus(fields, error);
      stream.respond(fields, true);
    } else if (cancelled && stream.queuedBytes > 0) {
      // The peer does not read: a status behind what it does not read would never arrive.
      stream.close(h2.cancel);
    } else {
      this.begin(context);
      const fields: string[] = [];
      if (trailer !== undefined) addMetadata(fields, trailer);
      addStatus(fields, error);
      stream.endWithTrailers(fields);
    }
  }
}
