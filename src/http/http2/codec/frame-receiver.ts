import { joinedFieldOf } from "../../fields.ts";
import { AbuseLimits } from "../abuse-limits.ts";
import type { ConnectionCore } from "../connection-core.ts";
import { ControlFrames } from "../frame/control-frames.ts";
import type { FrameSink } from "../frame/frame-parser.ts";
import { frameFlag, frameType, Http2Error, h2 } from "../frame/frame-types.ts";
import { requestFault, responseFault, trailersFault } from "../frame/header-rules.ts";
import type { Fields, Http2Stream } from "../streams/stream.ts";
import { HeaderBlocks } from "./header-blocks.ts";

/** Checks the frames that arrive and acts on them: the reading half of a connection. */
export class Receiver implements FrameSink {
  readonly #connection: ConnectionCore;
  readonly #blocks: HeaderBlocks;
  readonly #limits: AbuseLimits;
  readonly #control: ControlFrames;
  #settingsCame = false;

  constructor(connection: ConnectionCore) {
    this.#connection = connection;
    this.#limits = new AbuseLimits(connection);
    this.#control = new ControlFrames(connection, this.#limits);
    this.#blocks = new HeaderBlocks(connection.options.maxHeaderListBytes);
  }

  /** A number of the header block that is not complete; 0 when there is none. */
  get openBlock(): number {
    return this.#blocks.open;
  }

  get over(): boolean {
    return this.#connection.over;
  }

  data(id: number, bytes: Uint8Array, start: number, end: number, frameBytes: number, ended: boolean): void {
    const connection = this.#connection;
    if (frameBytes > 0 || start === end) {
      this.#expect(frameType.data);
      connection.window.received(frameBytes);
      if (frameBytes === 0 && !ended) this.#limits.uselessFrame();
    }
    const stream = connection.streams.get(id);
    if (stream === undefined || stream.remoteEnded || !stream.begun) {
      this.#strayData(id, stream);
      return;
    }
    if (frameBytes > 0) {
      stream.receiveWindow -= frameBytes;
      if (stream.receiveWindow < 0) {
        this.#limits.reset(stream, h2.flowControlError);
        return;
      }
      stream.received(frameBytes);
    }
    this.#deliver(stream, bytes, start, end, ended);
  }

  #deliver(stream: Http2Stream, bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    if (stream.promisedBytes >= 0) {
      stream.promisedBytes -= end - start;
      if (stream.promisedBytes < 0 || (ended && stream.promisedBytes > 0)) {
        this.#limits.malformed(stream);
        return;
      }
    }
    if (end > start) {
      this.#limits.usefulFrame();
      stream.deliver(bytes, start, end, ended);
    } else if (ended) stream.flush();
    if (ended && !stream.closed) this.#remoteEnd(stream);
  }

  #strayData(id: number, stream: Http2Stream | undefined): void {
    const connection = this.#connection;
    if (stream !== undefined && !stream.begun) {
      this.#limits.malformed(stream);
    } else if (stream !== undefined) {
      this.#limits.reset(stream, h2.streamClosed);
    } else {
      this.#limits.mustNotBeIdle(id, "DATA");
      if (!connection.wasGivenUp(id)) this.#refuse(id, h2.streamClosed);
    }
  }

  frame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    this.#expect(type, id);
    switch (type) {
      case frameType.data:
        this.#paddedData(flags, id, bytes, start, end);
        break;
      case frameType.headers: {
        if (id === 0) throw new Http2Error(h2.protocolError, "HEADERS for no stream");
        const fields = this.#blocks.begin(id, flags, bytes, start, end);
        if (fields !== undefined) this.#headers(id, fields, this.#blocks.ended);
        break;
      }
      case frameType.continuation: {
        if (this.#blocks.openId === 0) throw new Http2Error(h2.protocolError, "CONTINUATION of nothing");
        const fields = this.#blocks.more(flags, bytes, start, end);
        if (fields !== undefined) this.#headers(id, fields, this.#blocks.ended);
        break;
      }
      case frameType.priority:
        this.#control.priority(id, bytes, start, end);
        break;
      case frameType.rstStream:
        this.#control.rstStream(id, bytes, start, end);
        break;
      case frameType.settings:
        this.#control.settings(flags, id, bytes, start, end);
        break;
      case frameType.pushPromise:
        throw new Http2Error(h2.protocolError, "PUSH_PROMISE, which nobody allowed");
      case frameType.ping:
        this.#control.ping(flags, id, bytes, start, end);
        break;
      case frameType.goaway:
        this.#control.goaway(id, bytes, start, end);
        break;
      case frameType.windowUpdate:
        this.#control.windowUpdate(id, bytes, start, end);
        break;
      default:
        this.#limits.uselessFrame();
    }
  }

  /** What every frame must respect: SETTINGS first, and nothing in the middle of a header block. */
  #expect(type: number, id = 0): void {
    if (!this.#settingsCame) {
      if (type !== frameType.settings) {
        throw new Http2Error(h2.protocolError, "the connection does not start with SETTINGS");
      }
      this.#settingsCame = true;
    }
    const { openId } = this.#blocks;
    if (openId !== 0 && (type !== frameType.continuation || id !== openId)) {
      throw new Http2Error(h2.protocolError, "a header block was interrupted");
    }
  }

  #refuse(id: number, code: number): void {
    this.#limits.countReset();
    this.#connection.refuse(id, code);
  }

  #remoteEnd(stream: Http2Stream): void {
    stream.tellEnd();
    if (stream.localEnded) this.#connection.forget(stream, "complete", h2.noError);
  }

  #paddedData(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    const padding = start < end ? bytes[start]! : -1;
    if (padding < 0) throw new Http2Error(h2.frameSizeError, "DATA too short for its padding");
    if (padding >= end - start) throw new Http2Error(h2.protocolError, "DATA with more padding than payload");
    const ended = (flags & frameFlag.endStream) !== 0;
    if (padding === end - start - 1 && !ended) this.#limits.uselessFrame();
    this.data(id, bytes, start + 1, end - padding, end - start, ended);
  }

  #headers(id: number, fields: Fields, ended: boolean): void {
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      if (connection.server) this.#request(id, fields, ended);
      else {
        this.#limits.mustNotBeIdle(id, "HEADERS");
        if (!connection.wasGivenUp(id)) throw new Http2Error(h2.streamClosed, "HEADERS on a closed stream");
      }
    } else if (stream.remoteEnded) {
      this.#limits.reset(stream, h2.streamClosed);
    } else if (this.#blocks.overflowed) {
      this.#limits.reset(stream, h2.enhanceYourCalm);
    } else if (this.#blocks.malformed) {
      this.#limits.malformed(stream);
    } else if (stream.begun) {
      this.#trailers(stream, fields, ended);
    } else {
      this.#response(stream, fields, ended);
    }
  }

  #request(id: number, fields: Fields, ended: boolean): void {
    this.#limits.usefulFrame();
    const connection = this.#connection;
    if (id % 2 === 0) throw new Http2Error(h2.protocolError, `a client may not open stream ${id}`);
    if (id <= connection.lastPeerId) {
      if (connection.wasGivenUp(id)) return;
      throw new Http2Error(h2.streamClosed, `HEADERS on stream ${id}, which is closed`);
    }
    // What comes after the last GOAWAY is ignored: the client knows from it that nobody looked at it.
    if (connection.refusing) return;
    connection.lastPeerId = id;
    if (connection.streams.size >= connection.options.maxStreams) {
      this.#refuse(id, h2.refusedStream);
      return;
    }
    const { overflowed, malformed } = this.#blocks;
    if (!overflowed && (malformed || requestFault(fields) !== undefined)) {
      this.#refuse(id, h2.protocolError);
      return;
    }
    // What was asked for before, and not taken, leaves no room for more.
    if (connection.waiting.full) {
      this.#refuse(id, h2.refusedStream);
      return;
    }
    const stream = connection.accept(id);
    this.#limits.opened();
    stream.begun = true;
    if (overflowed) {
      stream.remoteEnded = ended;
      stream.letGoAtEnd = true;
      stream.respond([":status", "431"], true);
      return;
    }
    if (!this.#promise(stream, fields, ended)) return;
    connection.handler.onStream(stream, fields, ended);
    if (ended && !stream.closed) this.#remoteEnd(stream);
  }

  #response(stream: Http2Stream, fields: Fields, ended: boolean): void {
    const fault = responseFault(fields);
    const informational = fault === undefined && fields[1]!.startsWith("1");
    if (fault !== undefined || (informational && ended)) {
      this.#limits.malformed(stream);
      return;
    }
    stream.responded = true;
    if (informational) {
      this.#limits.uselessFrame();
      return;
    }
    this.#limits.usefulFrame();
    stream.begun = true;
    // Those that have no body may still state the length of what they do not hold.
    const bare = fields[1] === "304" || fields[1] === "204";
    if (!bare && !this.#promise(stream, fields, ended)) return;
    stream.tellHeaders(fields, ended);
    if (ended && !stream.closed) this.#remoteEnd(stream);
  }

  /** Notes the length of the body, if the headers state it; false when it cannot be. */
  #promise(stream: Http2Stream, fields: Fields, ended: boolean): boolean {
    const length = joinedFieldOf(fields, "content-length");
    if (length === undefined) return true;
    const bytes = /^\d{1,15}$/.test(length) ? Number(length) : -1;
    // The response to a HEAD request states the length of what it does not hold.
    if (bytes < 0 || (ended && bytes > 0 && this.#connection.server)) {
      this.#limits.malformed(stream);
      return false;
    }
    if (!ended) stream.promisedBytes = bytes;
    return true;
  }

  #trailers(stream: Http2Stream, fields: Fields, ended: boolean): void {
    if (!ended || trailersFault(fields) !== undefined || stream.promisedBytes > 0) {
      this.#limits.malformed(stream);
      return;
    }
    this.#limits.usefulFrame();
    stream.flush();
    if (stream.closed) return;
    stream.tellTrailers(fields);
    if (!stream.closed) this.#remoteEnd(stream);
  }
}
