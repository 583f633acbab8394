import type { Compression } from "@connectrpc/connect/protocol";
import { type RpcCompression, rpcCompressions } from "../../rpc/client/transport-settings.ts";
import { compressionNamed } from "../../rpc/message/compression.ts";

type Packed = Uint8Array<ArrayBuffer>;

/** The encoding in the form that Connect's protocols take; by zlib, at once where a message is small. */
export function messageCompression(name: RpcCompression): Compression {
  const { compress, decompress } = compressionNamed(name)!;
  return {
    name,
    compress: async (bytes) => (await compress(bytes)) as Packed,
    decompress: async (bytes, maxBytes) => (await decompress(bytes, maxBytes)) as Packed,
  };
}

/** All of them, best first. */
export const messageCompressions: readonly Compression[] = rpcCompressions.map(messageCompression);
