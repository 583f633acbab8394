/** What an HTTP/1.1 connection runs on: a socket, or whatever stands in for one. */
export interface ByteTransport {
  /** Writes bytes, or text as UTF-8. False when it has enough for now: `drained` follows. */
  write(data: Uint8Array | string): boolean;
  /** Holds writes back until {@link uncork}, so that they leave together. */
  cork(): void;
  uncork(): void;
  /** Bytes that were written and have not gone out. */
  readonly waitingBytes: number;
  /** Reads no more, and with it lets the peer wait. */
  pause(): void;
  resume(): void;
  /** Says that nothing follows, once everything written has gone out; the peer may still send. */
  end(): void;
  /** Closes, and leaves what was written on its way. */
  close(): void;
  /** Closes so that what was not complete does not look complete to the peer. */
  reset(): void;
}
