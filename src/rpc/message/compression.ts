import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
} from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";

/** The names of the encodings that are built in. */
type CompressionName = "gzip" | "br";

/** One encoding of messages. */
export interface Compression {
  /** As `grpc-encoding` carries it. */
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Stops as soon as more than `maxBytes` come out, so that a small message cannot fill the memory. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array>;
}

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
  bytes: Uint8Array,
  options: object,
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

function makeCompression(
  name: CompressionName,
  compress: readonly [SyncCodec, AsyncCodec, object],
  decompress: readonly [SyncCodec, AsyncCodec],
): Compression {
  return {
    name,
    compress: (bytes) => run(compress[0], compress[1], bytes, compress[2]),
    decompress(bytes, maxBytes) {
      if (bytes.length === 0) return bytes;
      try {
        const result = run(decompress[0], decompress[1], bytes, { maxOutputLength: maxBytes });
        if (result instanceof Uint8Array) return result;
        return result.catch((error: unknown) => Promise.reject(decompressError(error, maxBytes)));
      } catch (error) {
        throw decompressError(error, maxBytes);
      }
    },
  };
}

const encodings: Readonly<Record<CompressionName, Compression>> = {
  gzip: makeCompression(
    "gzip",
    [gzipSync as SyncCodec, gzip as AsyncCodec, {}],
    [gunzipSync as SyncCodec, gunzip as AsyncCodec],
  ),
  br: makeCompression(
    "br",
    // The default quality of 11 is made for files that are compressed once; 4 is as fast as gzip.
    [
      brotliCompressSync as SyncCodec,
      brotliCompress as AsyncCodec,
      { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
    ],
    [brotliDecompressSync as SyncCodec, brotliDecompress as AsyncCodec],
  ),
};

/** What `grpc-accept-encoding` says. */
export const acceptedEncodings = "gzip,br";

/** The encoding of that name; undefined for `identity` and for names that nobody here knows. */
export function compressionNamed(name: string): Compression | undefined {
  return Object.hasOwn(encodings, name) ? encodings[name as CompressionName] : undefined;
}

/** Whether `grpc-accept-encoding` names the encoding. */
export function acceptsEncoding(accept: string | undefined, name: string): boolean {
  if (accept === undefined) return false;
  if (accept === acceptedEncodings || accept === name) return true;
  return accept.split(",").some((each) => each.trim() === name);
}
