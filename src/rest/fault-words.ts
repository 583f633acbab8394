import type { TransportFault } from "../core/errors.ts";

/** Faults in words. */
export const wordsOf: Readonly<Record<TransportFault, string>> = {
  refused: "the connection was refused",
  dns: "the name is unknown",
  unreachable: "the host cannot be reached",
  tls: "the TLS handshake failed",
  "no-http2": "the server speaks HTTP/1.1 alone",
  "never-started": "the request was never sent",
  reset: "the connection was reset",
  closed: "the connection was closed",
  unknown: "the connection failed",
};
