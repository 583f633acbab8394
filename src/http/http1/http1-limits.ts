/** What an HTTP/1.1 connection grants its peer. */
export interface Http1Limits {
  /** All fields of a request together, counted as HTTP/2 counts them; more is 431. */
  readonly headerBytes: number;
  /** From the connection to the first byte. */
  readonly firstByteMs: number;
  /** From the first byte of a request to the end of its head. */
  readonly headersTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly keepAliveMs: number;
  /** What responses say of that: whole lines, each with its end. */
  readonly keepAliveLines: string;
  /** In each such time a body whose length is known brings `minProgressBytes`, or all that is left of it. */
  readonly slowBodyMs: number;
  /** In each such time a peer takes as much of a response that waits for it; so long may other bodies be silent. */
  readonly stalledMs: number;
  readonly minProgressBytes: number;
  /** How long, and for how many bytes, the rest of a request is read after its response. */
  readonly earlyMs: number;
  readonly earlyBytes: number;
  /** Bytes that are read ahead of a pipelined request. */
  readonly aheadBytes: number;
}
