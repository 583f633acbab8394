import type { AbuseLimits } from "../abuse-limits.ts";
import type { ConnectionCore } from "../connection-core.ts";
import {
  defaultWindowBytes,
  frameFlag,
  frameType,
  Http2Error,
  h2,
  maxInt31,
  readUint32,
  writeUint32,
} from "./frame-types.ts";

/** Acts on the frames that carry neither headers nor data. */
export class ControlFrames {
  readonly #connection: ConnectionCore;
  readonly #limits: AbuseLimits;
  /** Bytes of DATA that the peer has allowed so far on all streams, and how many had been sent at its last ping. */
  #allowedBytes: number = defaultWindowBytes;
  #sentAtPing = 0;

  constructor(connection: ConnectionCore, limits: AbuseLimits) {
    this.#connection = connection;
    this.#limits = limits;
  }

  priority(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id === 0) throw new Http2Error(h2.protocolError, "PRIORITY for no stream");
    if (end - start !== 5) {
      if (this.#connection.streams.has(id)) this.#refuseFrame(id, h2.frameSizeError);
      else throw new Http2Error(h2.frameSizeError, "PRIORITY of a length that cannot be");
    } else if ((readUint32(bytes, start) & maxInt31) === id) {
      this.#refuseFrame(id, h2.protocolError);
    } else this.#limits.uselessFrame();
  }

  #refuseFrame(id: number, code: number): void {
    const stream = this.#connection.streams.get(id);
    if (stream !== undefined) {
      this.#limits.reset(stream, code);
      return;
    }
    this.#limits.countReset();
    this.#connection.refuse(id, code);
  }

  rstStream(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) throw new Http2Error(h2.frameSizeError, "RST_STREAM of a length that cannot be");
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      this.#limits.mustNotBeIdle(id, "RST_STREAM");
      this.#limits.uselessFrame();
      return;
    }
    // A reset after the response has begun is how a subscriber leaves.
    if (!stream.responded) this.#limits.countReset();
    connection.forget(stream, "peer-reset", readUint32(bytes, start));
  }

  settings(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id !== 0) throw new Http2Error(h2.protocolError, "SETTINGS for a stream");
    if ((flags & frameFlag.ack) !== 0) {
      if (end !== start) throw new Http2Error(h2.frameSizeError, "SETTINGS that acknowledges and sets");
      this.#limits.uselessFrame();
      return;
    }
    this.#limits.sentRequest();
    const { peer, frameWriter } = this.#connection;
    const before = peer.initialWindowBytes;
    peer.apply(bytes, start, end);
    // Before the frames that the new settings make possible.
    frameWriter.frame(frameType.settings, frameFlag.ack, 0, 0);
    this.#connection.settingsChanged(peer.initialWindowBytes - before);
  }

  ping(flags: number, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id !== 0) throw new Http2Error(h2.protocolError, "PING for a stream");
    if (end - start !== 8) throw new Http2Error(h2.frameSizeError, "PING of a length that cannot be");
    if ((flags & frameFlag.ack) !== 0) {
      if (!this.#connection.pong(readUint32(bytes, start + 4))) this.#limits.uselessFrame();
      return;
    }
    // Peers that measure the bandwidth (grpc-go, gRPC core, hyper) send a ping after data has come: as often as they get
    // data, and on a short way thousands of times a second. That is no more than this side sends anyway.
    const sentBytes = this.#allowedBytes - this.#connection.sendWindow;
    if (sentBytes === this.#sentAtPing) this.#limits.sentRequest();
    this.#sentAtPing = sentBytes;
    const sink = this.#connection.frameWriter.frame(frameType.ping, frameFlag.ack, 0, 8);
    writeUint32(sink.bytes, sink.length, readUint32(bytes, start));
    writeUint32(sink.bytes, sink.length + 4, readUint32(bytes, start + 4));
    sink.length += 8;
  }

  goaway(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (id !== 0) throw new Http2Error(h2.protocolError, "GOAWAY for a stream");
    if (end - start < 8) throw new Http2Error(h2.frameSizeError, "GOAWAY of a length that cannot be");
    const connection = this.#connection;
    const lastId = readUint32(bytes, start) & maxInt31;
    const code = readUint32(bytes, start + 4);
    connection.goawayId = Math.min(connection.goawayId, lastId);
    connection.handler.onGoaway(code);
    if (!connection.server) {
      for (const stream of [...connection.streams.values()]) {
        if (stream.id > lastId) connection.forget(stream, "refused", h2.refusedStream);
      }
    }
    // A GOAWAY without an error lets the open streams finish; an error leaves them nothing to wait for.
    if (code !== h2.noError) {
      connection.destroy(h2.noError, new Http2Error(code, `the peer ended the connection with code ${code}`));
    }
  }

  windowUpdate(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== 4)
      throw new Http2Error(h2.frameSizeError, "WINDOW_UPDATE of a length that cannot be");
    const increment = readUint32(bytes, start) & maxInt31;
    const connection = this.#connection;
    this.#limits.windowUpdate();
    if (id === 0) {
      if (increment === 0) throw new Http2Error(h2.protocolError, "WINDOW_UPDATE of nothing");
      connection.sendWindow += increment;
      this.#allowedBytes += increment;
      if (connection.sendWindow > maxInt31) {
        throw new Http2Error(h2.flowControlError, "the connection's window is too large");
      }
      connection.pump(true);
      return;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      this.#limits.mustNotBeIdle(id, "WINDOW_UPDATE");
    } else if (increment === 0) {
      this.#limits.malformed(stream);
    } else {
      if (stream.sendWindow + increment > maxInt31) this.#limits.reset(stream, h2.flowControlError);
      else stream.allow(increment);
    }
  }
}
