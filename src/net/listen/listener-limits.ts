/**
 * What a listener grants a peer before it knows anything of it. Deadlines, body and rate limits are the
 * mesh's and act per request; these act on connections that never become one.
 */
export const limits = {
  /** All headers of a request together; more gets 431. */
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
   * How long, and for how many bytes, the rest of a request over HTTP/1.1 is read when its response is ready. Clients
   * that still send when the response comes may lose it: connect-go takes back what it has not sent, which ends the
   * connection.
   */
  earlyMs: 1_000,
  earlyBytes: 8_388_608,
  /** In each such time a client takes `minProgressBytes` of a response that waits for it; so long may bodies of unknown length be silent. */
  stalledMs: 300_000,
  /** In each such time a body that a request is nothing without brings `minProgressBytes`, or all that is left. */
  slowBodyMs: 60_000,
  minProgressBytes: 16_384,
  /** Bytes of responses that may wait for the client of one HTTP/2 connection. */
  queuedBytes: 134_217_728,
  /** Bytes that are read ahead of a pipelined HTTP/1.1 request. */
  aheadBytes: 16_384,
  /** How long a draining listener goes on serving HTTP/1.1 connections that are idle: a request may be on its way. */
  drainIdleMs: 1_000,
  /** Connections in all, and from one address; more are closed as they come. */
  maxConnections: 20_000,
  maxConnectionsPerAddress: 2_000,
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
