/** Every code a {@link MeshError} can carry. */
export type MeshErrorCode =
  | "ERR_BODY_TOO_LARGE"
  | "ERR_BREAKER_OPEN"
  | "ERR_BULKHEAD_FULL"
  | "ERR_CANCELLED"
  | "ERR_CAPABILITY"
  | "ERR_DEADLINE_EXCEEDED"
  | "ERR_HTTP_STATUS"
  | "ERR_INVALID_BODY"
  | "ERR_LISTEN"
  | "ERR_METHOD_NOT_ALLOWED"
  | "ERR_NO_ENDPOINTS"
  | "ERR_PERMISSION_DENIED"
  | "ERR_RATE_LIMITED"
  | "ERR_ROUTE_UNKNOWN"
  | "ERR_SERVICE_UNKNOWN"
  | "ERR_SHUTTING_DOWN"
  | "ERR_TLS_CONFIG"
  | "ERR_TRANSPORT"
  | "ERR_UNAUTHENTICATED";

const brand = Symbol.for("@datapunk/mesh/error");

/** Options of {@link MeshError}. */
export interface MeshErrorOptions {
  /** What went wrong beneath. */
  readonly cause?: unknown;
  /** How long the caller should wait before it tries again, in milliseconds. */
  readonly retryAfterMs?: number;
}

/**
 * The base of every error the mesh itself raises; tell them apart by `code`, not by class.
 *
 * @example
 * ```ts
 * try { await lake.get("datasets"); }
 * catch (error) { if (isMeshError(error, "ERR_BREAKER_OPEN")) return cached; throw error; }
 * ```
 */
export class MeshError extends Error {
  override readonly name: string = "MeshError";
  readonly code: MeshErrorCode;
  /** How long the caller should wait before it tries again, in milliseconds; undefined when nobody said. */
  readonly retryAfterMs: number | undefined;

  constructor(code: MeshErrorCode, message: string, options: MeshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Whether `error` is a {@link MeshError} (of that code), also when it comes from another copy of the package. */
export function isMeshError<C extends MeshErrorCode = MeshErrorCode>(
  error: unknown,
  code?: C,
): error is MeshError & { readonly code: C } {
  try {
    return (
      error instanceof Error &&
      (error as { [brand]?: boolean })[brand] === true &&
      (code === undefined || (error as MeshError).code === code)
    );
  } catch {
    // Anything can be thrown, also what cannot be looked at.
    return false;
  }
}

/**
 * How a connection failed, as far as the runtime can tell.
 *
 * `refused`, `dns`, `unreachable`, `tls` and `never-started` happen before a request is looked at, and so does
 * `no-http2`: the server is there and speaks HTTP/1.1 alone. The others prove nothing.
 */
export type TransportFault =
  | "refused"
  | "dns"
  | "unreachable"
  | "tls"
  | "no-http2"
  | "never-started"
  | "reset"
  | "closed"
  | "unknown";

/**
 * Why TLS failed, as seen from the side that says so. The other side's certificate is `expired`, `not-yet-valid`, of an
 * `unknown-authority`, `revoked`, for another name (`wrong-name`) or SPIFFE ID (`wrong-identity`), or cannot be used at all
 * (`bad-certificate`). Or the other side wants a certificate and gets none (`certificate-required`), has refused ours
 * (`certificate-refused`), speaks no TLS (`plaintext`) or nothing but TLS (`tls-required`), or shares no version
 * (`no-common-version`) or cipher suite (`no-common-cipher`) with us. `handshake`: something else.
 */
export type TlsReason =
  | "expired"
  | "not-yet-valid"
  | "unknown-authority"
  | "revoked"
  | "wrong-name"
  | "wrong-identity"
  | "bad-certificate"
  | "certificate-required"
  | "certificate-refused"
  | "plaintext"
  | "tls-required"
  | "no-common-version"
  | "no-common-cipher"
  | "handshake";

/** Options of {@link TransportError}. */
export interface TransportErrorOptions extends MeshErrorOptions {
  /** Why TLS failed, where it did and the reason is known. */
  readonly tlsReason?: TlsReason | undefined;
}

/** Names how a connection failed, from what the platform raised; undefined for an error of another kind. */
export type FaultOf = (error: unknown) => TransportFault | undefined;

const faultsBeforeStart: ReadonlySet<TransportFault> = new Set([
  "refused",
  "dns",
  "unreachable",
  "tls",
  "no-http2",
  "never-started",
]);

/** A fault of the connection, not a response of the server. */
export class TransportError extends MeshError {
  override readonly name: string = "TransportError";
  readonly fault: TransportFault;
  /** Why TLS failed; undefined where it did not, or nobody knows. */
  readonly tlsReason: TlsReason | undefined;

  constructor(fault: TransportFault, message: string, options: TransportErrorOptions = {}) {
    super("ERR_TRANSPORT", message, options);
    this.fault = fault;
    this.tlsReason = options.tlsReason;
  }

  /** Whether the request provably never reached the server's application, so that any call may be retried. */
  get neverStarted(): boolean {
    return faultsBeforeStart.has(this.fault);
  }
}

/** Whether `error` is a {@link TransportError}, also when it comes from another copy of the package. */
export function isTransportError(error: unknown): error is TransportError {
  return isMeshError(error, "ERR_TRANSPORT") && typeof (error as { fault?: unknown }).fault === "string";
}
