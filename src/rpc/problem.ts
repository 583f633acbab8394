import { type Code, ConnectError } from "@connectrpc/connect";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { codeFromString, errorFromJson, errorToJson } from "@connectrpc/connect/protocol-connect";
import { httpStatusFromRpc, type RpcCode, rpcCodeFromHttp, rpcCodeFromMeshError } from "../core/status.ts";
import { pushbackHeader } from "../http/pushback.ts";
import { errorInfoDetail, isMeshErrorCode } from "./dialect/error-info.ts";
import { codeFromRpc, rpcFromCode } from "./dialect/mesh-error-codes.ts";

/** One of an error's details, as Connect writes it in JSON. */
export interface RpcProblemDetail {
  /** Full name of the message's type. */
  readonly type: string;
  /** The message in binary, as base64 without padding. */
  readonly value: string;
  /** The message as JSON, for people. */
  readonly debug?: unknown;
}

/** An RPC error as problem details (RFC 9457), with all that it carries. */
export interface RpcProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** The name of the RPC code: several share one HTTP status. */
  readonly code: RpcCode;
  readonly details?: readonly RpcProblemDetail[];
  /** What the error's metadata says, without the fields of the protocol itself. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly [member: string]: unknown;
}

/** The members of a problem that {@link connectErrorFromProblem} reads; whatever has another type is ignored. */
export interface ProblemLike {
  readonly status: number;
  readonly [member: string]: unknown;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/**
 * The problem that stands for an RPC error, for a REST answer that must not lose anything: code, text, details
 * and metadata. {@link connectErrorFromProblem} gives the error back.
 */
export function problemFromConnectError(error: ConnectError): RpcProblem {
  const code = rpcFromCode(error.code);
  const status = httpStatusFromRpc(code);
  const { details } = errorToJson(error, undefined) as { details?: readonly RpcProblemDetail[] };
  const metadata = new Headers();
  mergeNonProtocolHeaders(metadata, error.metadata);
  const fields = Object.fromEntries(metadata);
  return {
    type: "about:blank",
    title: titles[status] ?? "Internal Server Error",
    status,
    ...(error.rawMessage === "" ? undefined : { detail: error.rawMessage }),
    code,
    ...(details === undefined ? undefined : { details }),
    ...(Object.keys(fields).length === 0 ? undefined : { metadata: fields }),
  };
}

/**
 * The RPC error that stands for a problem, whoever made it: its RPC code if it has one, else that of the mesh's
 * code, else that of its HTTP status.
 */
export function connectErrorFromProblem(problem: ProblemLike): ConnectError {
  const { detail, title, details, metadata, retryAfterMs } = problem;
  const said = typeof problem.code === "string" ? problem.code : "";
  const rpcCode = knownCode(said);
  const code =
    rpcCode ??
    codeFromRpc(isMeshErrorCode(said) ? rpcCodeFromMeshError(said) : rpcCodeFromHttp(problem.status));
  const message =
    typeof detail === "string" ? detail : rpcCode === undefined && typeof title === "string" ? title : "";
  const error = new ConnectError(message, code, stringsOf(metadata));
  if (typeof retryAfterMs === "number" && retryAfterMs >= 0 && Number.isFinite(retryAfterMs)) {
    error.metadata.set(pushbackHeader, String(Math.ceil(retryAfterMs)));
  }
  if (Array.isArray(details)) error.details = detailsOf(details);
  if (isMeshErrorCode(said)) error.details.push(errorInfoDetail(said));
  return error;
}

/** Connect looks codes up in an object, which also has inherited names, such as `constructor`. */
function knownCode(name: string): Code | undefined {
  const code: unknown = codeFromString(name);
  return typeof code === "number" ? code : undefined;
}

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  const entries = Object.entries(value).filter((entry): entry is [string, string] => {
    const [name, text] = entry;
    return typeof text === "string" && isHeader(name, text);
  });
  return Object.fromEntries(entries);
}

function isHeader(name: string, value: string): boolean {
  try {
    new Headers([[name, value]]);
    return true;
  } catch {
    return false;
  }
}

function detailsOf(details: readonly unknown[]): ConnectError["details"] {
  const fallback = new ConnectError("");
  try {
    return errorFromJson({ code: "unknown", details: details as never }, undefined, fallback).details;
  } catch {
    // Details that nobody can read are as good as none.
    return [];
  }
}
