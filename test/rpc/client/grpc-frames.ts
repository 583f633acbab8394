import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { type EchoRequest, EchoRequestSchema, EchoResponseSchema } from "../../gen/test/v1/echo_pb.ts";
import { frame as http2Frame } from "../../http/http2/connection-fixture.ts";
import type { Cleanup } from "./grpc-checks.ts";

/** Types of HTTP/2 frames. */
export const frameTypes = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;

/** Writes one HTTP/2 frame. */
export type WriteFrame = (type: number, flags: number, streamId: number, payload?: Uint8Array) => void;

/**
 * Speaks HTTP/2 frame by frame, for what a runtime's own server cannot be brought to send. It knows the
 * preface and the settings, and leaves everything else to `onFrame`.
 */
export async function serveFrames(
  cleanup: Cleanup,
  onFrame: (type: number, streamId: number, write: WriteFrame) => void,
): Promise<string> {
  const prefaceBytes = 24;
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    cleanup.add(() => socket.destroy());
    const write: WriteFrame = (type, flags, streamId, payload) => {
      socket.write(http2Frame(type, flags, streamId, payload));
    };
    write(frameTypes.settings, 0, 0);
    let buffered = Buffer.alloc(0);
    let greeted = false;
    socket.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      if (!greeted && buffered.length >= prefaceBytes) {
        greeted = true;
        buffered = buffered.subarray(prefaceBytes);
      }
      while (greeted && buffered.length >= 9) {
        const end = 9 + buffered.readUIntBE(0, 3);
        if (buffered.length < end) return;
        const [type, flags, streamId] = [buffered[3]!, buffered[4]!, buffered.readUInt32BE(5)];
        buffered = buffered.subarray(end);
        if (type !== frameTypes.settings) onFrame(type, streamId, write);
        else if (flags === 0) write(frameTypes.settings, 1, 0);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanup.add(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Numbers of four bytes each, one after the other. */
export function words(...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setUint32(index * 4, number);
  return bytes;
}

/** A request message with its prefix. */
export function frame(message: Partial<EchoRequest> = { text: "hello" }, flags = 0): Uint8Array {
  return framed(toBinary(EchoRequestSchema, create(EchoRequestSchema, message as never)), flags);
}

/** A response message with its prefix. */
export function answerFrame(text: string): Uint8Array {
  return framed(toBinary(EchoResponseSchema, create(EchoResponseSchema, { text })), 0);
}

/** Any bytes with a prefix before them. */
export function framed(bytes: Uint8Array, flags: number, length: number = bytes.length): Uint8Array {
  const result = new Uint8Array(5 + bytes.length);
  result[0] = flags;
  new DataView(result.buffer).setUint32(1, length);
  result.set(bytes, 5);
  return result;
}

/** Bytes one after the other. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** `:status: 200` and `content-type: application/grpc`, as HPACK writes them without a table. */
export const responseBlock: Uint8Array = concat(
  new Uint8Array([0x88, 0x0f, 0x10, 16]),
  new TextEncoder().encode("application/grpc"),
);

/** A field with a value of so many letters, as HPACK writes it without a table; more than 127 of them. */
export function largeField(name: string, length: number): Uint8Array {
  const size: number[] = [];
  let rest = length - 127;
  for (; rest >= 128; rest >>>= 7) size.push((rest & 127) | 128);
  const encoder = new TextEncoder();
  return concat(
    new Uint8Array([0, name.length]),
    encoder.encode(name),
    new Uint8Array([127, ...size, rest]),
    encoder.encode("a".repeat(length)),
  );
}
