/**
 * What a listener grants a peer before it knows anything of it. Deadlines, body and rate limits are the
 * mesh's and act per request; these act on connections that never become one.
 */
export const limits = {
  /** All headers of a request together; more is answered with 431. */
  headerBytes: 16_384,
  /** From the first byte of a request to the end of its headers. */
  headersTimeoutMs: 15_000,
  /** From the connection to the end of the TLS handshake, or to the first bytes in the clear. */
  handshakeTimeoutMs: 10_000,
  /**
   * How long an unused HTTP/1.1 connection is kept. Longer than clients usually keep theirs: when the
   * server closes first, a request that is on its way meets a closed door.
   */
  keepAliveMs: 75_000,
  /** From the preface of HTTP/2 to the client's SETTINGS. */
  settingsTimeoutMs: 10_000,
  /** How long an HTTP/2 connection without any frame or stream on it is kept. */
  sessionIdleMs: 300_000,
  /**
   * How long, and for how many bytes, an answer over HTTP/1.1 that is ready before its request has come waits for the
   * rest of it. Clients that still send when the answer comes may lose it: connect-go takes back what it has not sent,
   * which ends the connection.
   */
  earlyAnswerMs: 1_000,
  earlyAnswerBytes: 8_388_608,
  /** How long the rest of an answer waits for a client that takes less than `minProgressBytes` of it. */
  stalledMs: 300_000,
  /** The same for a body that a request is nothing without, and the client that should send it. */
  slowBodyMs: 75_000,
  /** What a client must take or send in that time. */
  minProgressBytes: 1_024,
  /** Bytes of answers that may wait for the client of one HTTP/2 connection. */
  queuedBytes: 134_217_728,
  /**
   * Streams that one HTTP/2 connection may have open. Generous, because a gateway puts all its
   * subscriptions of one service on one connection.
   */
  concurrentStreams: 1_000,
  /** Flow-control window of a stream: what is read ahead of a handler that does not read. */
  streamWindowBytes: 262_144,
  /** Flow-control window of a whole connection. */
  sessionWindowBytes: 1_048_576,
} as const;
