import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression as ConnectCompression } from "@connectrpc/connect/protocol";
import type { Compression } from "../rpc/message/compression.ts";
import { lazily, nodeZlib } from "./platform/builtin.ts";

/**
 * Up to here zlib runs at once on this thread: the trip to its thread pool costs more than the work, and
 * what can come out is bounded by the message limit.
 */
const syncBytes = 16 * 1024;

type SyncCodec = (bytes: Uint8Array, options: { maxOutputLength?: number }) => Uint8Array;
type AsyncCodec = (
  bytes: Uint8Array,
  options: { maxOutputLength?: number },
  done: (error: Error | null, result: Uint8Array) => void,
) => void;

/** Without the `Buffer` around it: bytes that end up in a message must be a plain `Uint8Array`. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function run(
  sync: SyncCodec,
  async: AsyncCodec,
  options: object,
  bytes: Uint8Array,
): Uint8Array | Promise<Uint8Array> {
  if (bytes.length <= syncBytes) return plain(sync(bytes, options));
  return new Promise((resolve, reject) => {
    async(bytes, options, (error, result) => (error === null ? resolve(plain(result)) : reject(error)));
  });
}

function decompressError(error: unknown, maxBytes: number): ConnectError {
  const tooLarge = (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
  return tooLarge
    ? new ConnectError(`decompressed message is larger than the limit of ${maxBytes}`, Code.ResourceExhausted)
    : new ConnectError("decompression failed", Code.InvalidArgument, undefined, undefined, error);
}

/** How to compress and decompress, at once and in the background. */
interface Codec {
  readonly compress: readonly [SyncCodec, AsyncCodec, object];
  readonly decompress: readonly [SyncCodec, AsyncCodec];
}

function makeCompression(name: string, codec: () => Codec): Compression {
  return {
    name,
    compress: (bytes) => run(...codec().compress, bytes),
    decompress(bytes, maxBytes) {
      if (bytes.length === 0) return bytes;
      try {
        const result = run(...codec().decompress, { maxOutputLength: maxBytes }, bytes);
        if (result instanceof Uint8Array) return result;
        return result.catch((error: unknown) => Promise.reject(decompressError(error, maxBytes)));
      } catch (error) {
        throw decompressError(error, maxBytes);
      }
    },
  };
}

const gzip = lazily((): Codec => {
  const { gunzip, gunzipSync, gzip, gzipSync } = nodeZlib();
  return {
    compress: [gzipSync as SyncCodec, gzip as AsyncCodec, {}],
    decompress: [gunzipSync as SyncCodec, gunzip as AsyncCodec],
  };
});

const brotli = lazily((): Codec => {
  const { brotliCompress, brotliCompressSync, brotliDecompress, brotliDecompressSync, constants } =
    nodeZlib();
  // The default quality of 11 is made for files that are compressed once; 4 is as fast as gzip.
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
  return {
    compress: [brotliCompressSync as SyncCodec, brotliCompress as AsyncCodec, options],
    decompress: [brotliDecompressSync as SyncCodec, brotliDecompress as AsyncCodec],
  };
});

/** Encodings of messages by zlib, best first: at once where a message is small. */
export const compressions: readonly Compression[] = [
  makeCompression("gzip", gzip),
  makeCompression("br", brotli),
];

type Packed = Uint8Array<ArrayBuffer>;

/** The same in the form that Connect's protocols take. */
export const messageCompressions: readonly ConnectCompression[] = compressions.map(
  ({ name, compress, decompress }) => ({
    name,
    compress: async (bytes) => (await compress(bytes)) as Packed,
    decompress: async (bytes, maxBytes) => (await decompress(bytes, maxBytes)) as Packed,
  }),
);
