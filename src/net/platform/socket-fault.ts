import { isTransportError, TransportError, type TransportFault } from "../../core/errors.ts";
import { type TlsTarget, tlsFailure } from "../tls/client-failure.ts";
import { PeerRefusal, tlsErrorIn, tlsReasonOfOne } from "../tls/tls-failure.ts";

/** Codes by which the runtimes (and OpenSSL beneath them) name a fault. */
const faultByCode: Readonly<Record<string, TransportFault>> = {
  ECONNREFUSED: "refused",
  ConnectionRefused: "refused",
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  EAI_FAIL: "dns",
  EAI_NODATA: "dns",
  EAI_NONAME: "dns",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  UND_ERR_CONNECT_TIMEOUT: "unreachable",
  // Bun: there is no socket yet.
  FailedToOpenSocket: "unreachable",
  ECONNRESET: "reset",
  ConnectionReset: "reset",
  EPIPE: "reset",
  ECONNABORTED: "reset",
  ETIMEDOUT: "unknown",
  UND_ERR_SOCKET: "closed",
  // Asked for after the pool was closed.
  UND_ERR_CLOSED: "never-started",
  UND_ERR_DESTROYED: "closed",
  ConnectionClosed: "closed",
  ERR_STREAM_PREMATURE_CLOSE: "closed",
  ERR_HTTP2_GOAWAY_SESSION: "never-started",
  ERR_HTTP2_INVALID_SESSION: "closed",
  ERR_HTTP2_SESSION_ERROR: "closed",
  ERR_HTTP2_STREAM_CANCEL: "closed",
  ERR_SOCKET_CLOSED: "closed",
  // Bun: what came is no HTTP.
  Malformed_HTTP_Response: "unknown",
  InvalidHTTPResponse: "unknown",
};

/** What a `fetch` says that gives no code: Deno puts everything into the message. */
const faultByMessage: readonly (readonly [RegExp, TransportFault])[] = [
  [/REFUSED_STREAM/i, "never-started"],
  [/connection refused/i, "refused"],
  [/dns error|failed to lookup|name or service not known|getaddrinfo|no record found/i, "dns"],
  [
    /host (?:is )?(?:unreachable|down)|network is unreachable|no route to host|operation timed out.*connect/i,
    "unreachable",
  ],
  [/certificate|handshake|\bTLS\b|\bSSL\b|UnknownCA|CertificateRequired|received corrupt message/, "tls"],
  // Hyper's word for whatever happens before there is a connection.
  [/client error \(Connect\)/, "unreachable"],
  [/connection reset|broken pipe|socket hang up/i, "reset"],
  [
    /connection (?:was )?closed|closed before message completed|unexpected end of file|socket connection was closed|other side closed|connection error|error reading a body from connection/i,
    "closed",
  ],
  [/error sending request/, "unknown"],
];

/** What Bun's `fetch` says, whatever the code, when it was the connecting that failed. */
const bunConnecting = /Was there a typo in the url or port\?|Is the computer able to access the url\?/;

/** Causes are followed so far; nobody nests errors deeper, and a ring must not hold us. */
const deepestCause = 6;

/**
 * How a connection failed, read from the innermost cause that tells: libraries wrap faults in errors of
 * their own, whose codes say less (connect reports a reset as `aborted`).
 */
export function faultOf(error: unknown): TransportFault | undefined {
  return faultIn(error, false);
}

/** @param ofFetch - whether the messages count as well: no server can have had a say in them */
function faultIn(error: unknown, ofFetch: boolean): TransportFault | undefined {
  let found: TransportFault | undefined;
  let at: unknown = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    // The code that made it knew the phase, which the socket's own error inside of it does not tell.
    if (isTransportError(at)) return at.fault;
    ofFetch ||= at instanceof TypeError;
    found = faultOfOne(at, ofFetch) ?? found;
    const inner: unknown = (at as AggregateError).errors?.[0];
    at = at.cause ?? inner;
  }
  return found;
}

/** @param ofFetch - whether `fetch` raised it: a `TypeError`, or what stands behind one */
function faultOfOne(error: Error, ofFetch: boolean): TransportFault | undefined {
  if (error instanceof PeerRefusal) return "tls";
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (typeof code === "string") {
    // TLS 1.3 lets a client send before the server has looked at its certificate, so that a refusal arrives as an alert on
    // an open connection: the request was never read then.
    if (tlsReasonOfOne(error) !== undefined) return "tls";
    const fault = faultByCode[code];
    if (syscall === "connect" || (ofFetch && bunConnecting.test(error.message))) return beforeStart(fault);
    if (fault !== undefined) return fault;
    if (code.startsWith("HPE_")) return "unknown";
  }
  // undici found something else than HTTP; it gives no code.
  if (error.name === "HTTPParserError") return "unknown";
  // Any other error may quote somebody else's fault: an RPC error has the text that a server sent.
  if (!ofFetch) return undefined;
  for (const [pattern, fault] of faultByMessage) if (pattern.test(error.message)) return fault;
  return undefined;
}

/** Faults of an open connection that prove nothing, unless the connection was never open. */
const ofOpenConnection: ReadonlySet<TransportFault | undefined> = new Set([
  "reset",
  "closed",
  "unknown",
  undefined,
]);

function beforeStart(fault: TransportFault | undefined): TransportFault {
  return fault === undefined || ofOpenConnection.has(fault) ? "never-started" : fault;
}

/**
 * How an attempt to connect failed: while the connection was made, or its TLS handshake, so that no request can have been
 * read. Undefined for an error of another kind.
 */
export function faultOfConnect(error: unknown): TransportFault | undefined {
  const fault = faultOf(error);
  return fault === undefined ? undefined : beforeStart(fault);
}

/**
 * The error of an attempt to connect. Nothing was sent yet, so the call never started, whatever went wrong.
 *
 * @param target - how TLS was spoken there
 */
export function connectFault(target: TlsTarget, error: unknown): TransportError {
  const doing = `Cannot connect to ${target.origin}`;
  const ofTls = tlsErrorIn(error);
  if (ofTls !== undefined) return tlsFailure(doing, target, ofTls.reason, ofTls.error);
  const fault = faultIn(error, true);
  return new TransportError(
    fault === undefined ? "never-started" : beforeStart(fault),
    `${doing}: ${reasonOf(error)}`,
    {
      cause: error,
    },
  );
}

/** What an error says; where a name has several addresses, of which none could be reached, that of each. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errors } = error as Partial<AggregateError>;
  if (error.message !== "" || !Array.isArray(errors)) return error.message;
  return errors.map(reasonOf).join(", ");
}
