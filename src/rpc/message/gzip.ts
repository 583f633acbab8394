import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

type Bytes = Uint8Array<ArrayBuffer>;

async function through(
  bytes: Uint8Array,
  transform: ReadableWritablePair<Bytes, BufferSource>,
  maxBytes: number,
): Promise<Bytes> {
  const writer = transform.writable.getWriter();
  // A failure shows on the readable side as well, and there it is caught.
  writer
    .write(bytes as Bytes)
    .then(() => writer.close())
    .catch(() => {});
  const reader = transform.readable.getReader();
  const chunks: Bytes[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > maxBytes) {
      const error = new ConnectError(
        `message size is larger than configured readMaxBytes ${maxBytes} after decompression`,
        Code.ResourceExhausted,
      );
      await reader.cancel(error).catch(() => {});
      throw error;
    }
    chunks.push(value);
  }
  if (chunks.length === 1) return chunks[0] as Bytes;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/**
 * gzip by the platform's own compression streams. A message that would grow above the limit is given up as soon
 * as it does, so that a few bytes cannot fill the memory.
 */
export const gzip: Compression = {
  name: "gzip",
  compress: (bytes) => through(bytes, new CompressionStream("gzip"), Infinity),
  async decompress(bytes, readMaxBytes) {
    if (bytes.byteLength === 0) return new Uint8Array();
    try {
      return await through(bytes, new DecompressionStream("gzip"), readMaxBytes);
    } catch (error) {
      if (error instanceof ConnectError) throw error;
      throw new ConnectError("the message is not gzip", Code.InvalidArgument, undefined, undefined, error);
    }
  },
};
