import type { FrameWriter } from "../codec/frame-writer.ts";
import {
  defaultFrameBytes,
  defaultWindowBytes,
  frameType,
  Http2Error,
  h2,
  maxFrameBytes,
  maxInt31,
  readUint32,
  setting,
  writeUint32,
} from "./frame-types.ts";

/** What the peer asks of this side. */
export class PeerSettings {
  headerTableBytes = 4_096;
  /** Streams that this side may open; the standard knows no bound by default. */
  maxStreams: number = Number.POSITIVE_INFINITY;
  initialWindowBytes: number = defaultWindowBytes;
  maxFrameBytes: number = defaultFrameBytes;

  /** Takes over a SETTINGS frame. @throws Http2Error for values out of range */
  apply(bytes: Uint8Array, start: number, end: number): void {
    if ((end - start) % 6 !== 0)
      throw new Http2Error(h2.frameSizeError, "SETTINGS of a length that cannot be");
    for (let at = start; at < end; at += 6) {
      const value = readUint32(bytes, at + 2);
      switch ((bytes[at]! << 8) | bytes[at + 1]!) {
        case setting.headerTableSize:
          this.headerTableBytes = value;
          break;
        case setting.enablePush:
          if (value > 1) throw new Http2Error(h2.protocolError, `ENABLE_PUSH may not be ${value}`);
          break;
        case setting.maxConcurrentStreams:
          this.maxStreams = value;
          break;
        case setting.initialWindowSize:
          if (value > maxInt31) {
            throw new Http2Error(h2.flowControlError, `INITIAL_WINDOW_SIZE may not be ${value}`);
          }
          this.initialWindowBytes = value;
          break;
        case setting.maxFrameSize:
          if (value < defaultFrameBytes || value > maxFrameBytes) {
            throw new Http2Error(h2.protocolError, `MAX_FRAME_SIZE may not be ${value}`);
          }
          this.maxFrameBytes = value;
          break;
      }
    }
  }
}

/** What this side says of itself. */
interface OwnSettings {
  readonly role: "client" | "server";
  readonly maxStreams: number;
  readonly maxHeaderListBytes: number;
  readonly streamWindowBytes: number;
}

/** Writes the SETTINGS frame that says how this side behaves. */
export function writeSettings(frameWriter: FrameWriter, options: OwnSettings, ownFrameBytes: number): void {
  const settings: readonly (readonly [id: number, value: number])[] = [
    [setting.initialWindowSize, options.streamWindowBytes],
    [setting.maxFrameSize, ownFrameBytes],
    [setting.maxHeaderListSize, options.maxHeaderListBytes],
    options.role === "server" ? [setting.maxConcurrentStreams, options.maxStreams] : [setting.enablePush, 0],
  ];
  const sink = frameWriter.frame(frameType.settings, 0, 0, settings.length * 6);
  for (const [id, value] of settings) {
    sink.bytes[sink.length] = id >>> 8;
    sink.bytes[sink.length + 1] = id;
    writeUint32(sink.bytes, sink.length + 2, value);
    sink.length += 6;
  }
}
