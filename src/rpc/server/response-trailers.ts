import type { ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { outcomeOfCancelledCall } from "../../core/classifier.ts";
import { isMeshError } from "../../core/errors.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream } from "../../http/http2/streams/stream.ts";
import { checkSendable, contentTypeJson, contentTypeProto } from "../dialect/call-headers.ts";
import { encodeDetails, encodeStatusText } from "../dialect/grpc-status.ts";
import { addMetadata } from "../dialect/header-metadata.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import { deadlineExceeded } from "../dialect/transport-faults.ts";
import type { EncodedMessage } from "../message/codec.ts";
import type { Compression } from "../message/compression.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";
import type { GrpcContext } from "./handler-context.ts";

const okTrailers: Fields = ["grpc-status", "0"];
const headers: Readonly<Record<"proto" | "json", Fields>> = {
  proto: [":status", "200", "content-type", contentTypeProto],
  json: [":status", "200", "content-type", contentTypeJson],
};

/** Adds an error to the trailers: its metadata, its status, its message and its details. */
function addStatus(fields: string[], error: ConnectError): void {
  addMetadata(fields, error.metadata);
  fields.push("grpc-status", String(error.code));
  if (error.rawMessage !== "") fields.push("grpc-message", encodeStatusText(error.rawMessage));
  if (error.details.length > 0) fields.push("grpc-status-details-bin", encodeDetails(error));
}

/** The response to one RPC, on the wire. */
export class GrpcResponse {
  readonly stream: Http2Stream;
  readonly #format: "proto" | "json";
  /** How messages are compressed; stated in the headers. */
  compression: Compression | undefined = undefined;
  #begun = false;
  #ended = false;

  constructor(stream: Http2Stream, format: "proto" | "json") {
    this.stream = stream;
    this.#format = format;
    // What a client still sends when it has its response is of no use.
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

  /**
   * Sends the headers, unless they went out already.
   *
   * @throws TypeError when they hold what no header block can carry; nothing was sent then
   */
  begin(context: GrpcContext | undefined): void {
    if (this.#begun) return;
    this.stream.respond(this.#headers(context), false);
    this.#begun = true;
  }

  /**
   * Ends the response well; `last` is the last message, if it was not sent yet.
   *
   * @throws TypeError when the metadata cannot be sent; the response is still open then, and can fail
   */
  finish(context: GrpcContext, last: EncodedMessage | undefined): void {
    if (this.#ended) return;
    const touched = context.touchedTrailer;
    let trailers = okTrailers;
    if (touched !== undefined) {
      // Trailers may wait behind messages that the peer does not take: now something else can still be said.
      checkSendable(touched);
      const fields: string[] = [];
      addMetadata(fields, touched);
      fields.push("grpc-status", "0");
      trailers = fields;
    }
    this.begin(context);
    const { stream } = this;
    if (last !== undefined) stream.writeMessage(last.flags, last.bytes);
    this.#ended = true;
    stream.endWithTrailers(trailers);
  }

  /**
   * Ends the response and the call with what was thrown, whatever it is. Where the handler's own metadata cannot be
   * sent beside it, it goes out alone; the last resort is a reset of the stream.
   *
   * @returns the error as the client sees it
   */
  refuse(
    lifecycle: CallLifecycle,
    call: Call,
    context: GrpcContext | undefined,
    thrown: unknown,
  ): ConnectError {
    // A call without a deadline was ended for its silence, and its error says so.
    const late = isMeshError(call.reason, "ERR_DEADLINE_EXCEEDED") && call.deadline !== Infinity;
    // Every gRPC implementation says this with the code alone.
    const error = late ? deadlineExceeded() : lifecycle.errorFor(call, thrown);
    // Before anything is written, so that a handler which is told never sees its response go on.
    context?.settle(error);
    try {
      this.#fail(context, error, call.cancelled);
    } catch (unsendable) {
      lifecycle.report(call, unsendable);
      try {
        this.#fail(undefined, error, call.cancelled);
      } catch (worse) {
        lifecycle.report(call, worse);
        this.stream.close(h2.internalError);
      }
    }
    this.#ended = true;
    call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
    return error;
  }

  /** Ends the response with an error; in one block when there is nothing else to say. `cancelled` says that it cannot wait. */
  #fail(context: GrpcContext | undefined, error: ConnectError, cancelled: boolean): void {
    if (this.#ended) return;
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
      const fields: string[] = [];
      if (trailer !== undefined) {
        checkSendable(trailer);
        addMetadata(fields, trailer);
      }
      addStatus(fields, error);
      this.begin(context);
      stream.endWithTrailers(fields);
    }
  }
}
