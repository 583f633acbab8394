import type { MeshErrorCode } from "./errors.ts";

/** The RPC status codes, by the names that Connect puts on the wire. */
export type RpcCode =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** RPC codes in the order of their numbers: index 0 is `canceled` (1). */
export const rpcCodes: readonly RpcCode[] = [
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

/** RPC code → HTTP status: the table of the Connect protocol. */
const httpByRpc: Readonly<Record<RpcCode, number>> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** HTTP status → RPC code, for the statuses that a REST server uses on purpose. */
const rpcByHttp: Readonly<Record<number, RpcCode>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  405: "unimplemented",
  408: "deadline_exceeded",
  409: "aborted",
  412: "failed_precondition",
  413: "resource_exhausted",
  415: "invalid_argument",
  422: "invalid_argument",
  429: "resource_exhausted",
  499: "canceled",
  500: "internal",
  501: "unimplemented",
  502: "unavailable",
  503: "unavailable",
  504: "deadline_exceeded",
};

/** Mesh error → RPC code (and through it the HTTP status). */
const rpcByMeshError: Readonly<Record<MeshErrorCode, RpcCode>> = {
  ERR_BODY_TOO_LARGE: "resource_exhausted",
  ERR_BREAKER_OPEN: "unavailable",
  ERR_BULKHEAD_FULL: "resource_exhausted",
  ERR_CANCELLED: "canceled",
  ERR_CAPABILITY: "unimplemented",
  ERR_DEADLINE_EXCEEDED: "deadline_exceeded",
  ERR_HTTP_STATUS: "unknown",
  ERR_INVALID_BODY: "invalid_argument",
  ERR_LISTEN: "internal",
  ERR_METHOD_NOT_ALLOWED: "unimplemented",
  ERR_NO_ENDPOINTS: "unavailable",
  ERR_PERMISSION_DENIED: "permission_denied",
  ERR_RATE_LIMITED: "resource_exhausted",
  ERR_ROUTE_UNKNOWN: "not_found",
  ERR_SERVICE_UNKNOWN: "unavailable",
  ERR_SHUTTING_DOWN: "unavailable",
  ERR_TLS_CONFIG: "internal",
  ERR_TRANSPORT: "unavailable",
  ERR_UNAUTHENTICATED: "unauthenticated",
};

/** Where REST has a more exact status than the RPC table gives. */
const httpByMeshError: Readonly<Partial<Record<MeshErrorCode, number>>> = {
  ERR_BODY_TOO_LARGE: 413,
  ERR_BULKHEAD_FULL: 503,
  ERR_METHOD_NOT_ALLOWED: 405,
};

/** The HTTP status that stands for an RPC code (Connect's table). */
export function httpStatusFromRpc(code: RpcCode): number {
  return httpByRpc[code];
}

/** The RPC code that stands for an HTTP status; `internal` for other 5xx, `unknown` for the rest. */
export function rpcCodeFromHttp(status: number): RpcCode {
  return (
    rpcByHttp[status] ?? (status >= 500 ? "internal" : status >= 400 ? "failed_precondition" : "unknown")
  );
}

/** The RPC code that stands for a mesh error. */
export function rpcCodeFromMeshError(code: MeshErrorCode): RpcCode {
  return rpcByMeshError[code];
}

/** The HTTP status that stands for a mesh error. */
export function httpStatusFromMeshError(code: MeshErrorCode): number {
  return httpByMeshError[code] ?? httpByRpc[rpcByMeshError[code]];
}

/** The name of an RPC code's number (1–16); undefined for 0 and for numbers nobody defined. */
export function rpcCodeFromNumber(code: number): RpcCode | undefined {
  return rpcCodes[code - 1];
}
