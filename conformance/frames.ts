import { Buffer } from "node:buffer";
import process from "node:process";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";

/** Reads the messages that the runner writes to standard input, each behind four bytes of length. */
export async function* readMessages<D extends DescMessage>(desc: D): AsyncGenerator<MessageShape<D>> {
  let buffered = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    buffered = Buffer.concat([buffered, chunk as Buffer]);
    while (buffered.length >= 4) {
      const end = 4 + buffered.readUInt32BE(0);
      if (buffered.length < end) break;
      yield fromBinary(desc, new Uint8Array(buffered.subarray(4, end)));
      buffered = buffered.subarray(end);
    }
  }
  if (buffered.length > 0) throw new Error(`Cannot read a message: ${buffered.length} bytes are left over`);
}

/** Writes one message to standard output in the same form. */
export function writeMessage<D extends DescMessage>(desc: D, message: MessageShape<D>): void {
  const bytes = toBinary(desc, message);
  const frame = Buffer.alloc(4 + bytes.length);
  frame.writeUInt32BE(bytes.length, 0);
  frame.set(bytes, 4);
  process.stdout.write(frame);
}
