/**
 * A header block that cannot be decoded: the connection must end with COMPRESSION_ERROR.
 *
 * The two dynamic tables may differ from here on, so no later block of the connection can be trusted either.
 */
export class HpackError extends Error {
  override readonly name: string = "HpackError";

  /** `reason` completes "Cannot decode a header block: …". */
  constructor(reason: string) {
    super(`Cannot decode a header block: ${reason}`);
  }
}
