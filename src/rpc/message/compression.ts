/** One encoding of messages. The platform brings those that it has. */
export interface Compression {
  /** As `grpc-encoding` carries it. */
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Stops as soon as more than `maxBytes` come out, so that a small message cannot fill the memory. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array>;
}

/** The encoding of that name; undefined for `identity` and for names that are not among them. */
export function compressionNamed(
  compressions: readonly Compression[],
  name: string,
): Compression | undefined {
  return compressions.find((each) => each.name === name);
}

/** Whether `grpc-accept-encoding` names the encoding. */
export function acceptsEncoding(accept: string | undefined, name: string): boolean {
  if (accept === undefined) return false;
  if (accept === name) return true;
  return accept.split(",").some((each) => each.trim() === name);
}
