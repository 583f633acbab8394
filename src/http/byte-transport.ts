/** What a connection's bytes leave by: a socket, or a pair in memory. */
export interface ByteTransport {
  /**
   * Writes pieces so that they leave together, text as UTF-8; they belong to the transport from then on. False when it
   * has enough for now: `drained` follows.
   */
  write(pieces: readonly (Uint8Array | string)[]): boolean;
  /** Bytes that were written and have not gone out. */
  readonly waitingBytes: number;
  /** Runs a task at the end of this turn of the event loop, so that what is written until then can leave together. */
  nextTurn(task: () => void): void;
  /** Reads no more, and so makes the peer wait. */
  pause(): void;
  resume(): void;
  /** Says that nothing follows, once everything written has gone out; the peer may still send. */
  end(): void;
  /** Closes once everything written has gone out. */
  close(): void;
  /** Closes at once, so that what was not complete does not look complete to the peer. */
  reset(): void;
  /** Whether the connection keeps the process alive. */
  keepAlive(value: boolean): void;
}

/** What a transport tells the connection that runs on it. */
export interface TransportListener {
  /** Bytes arrived; they belong to the listener. */
  receive(chunk: Uint8Array): void;
  /** The transport takes more, after it had enough. */
  drained(): void;
  /** The peer said that nothing follows. */
  peerEnded(): void;
  /** The transport has closed, with the error that closed it if there was one; told once. */
  lost(error: Error | undefined): void;
}
