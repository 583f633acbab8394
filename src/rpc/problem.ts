import { type Code, ConnectError } from "@connectrpc/connect";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { codeFromString, errorFromJson, errorToJson } from "@connectrpc/connect/protocol-connect";
import { httpStatusFromRpc, rpcCodeFromHttp, rpcCodeFromMeshError } from "../core/status.ts";
import { type Problem, problem } from "../http/problem.ts";
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

/** The members of a problem that {@link connectErrorFromProblem} reads; whatever has another type is ignored. */
export interface ProblemLike {
  readonly status: number;
  readonly [member: string]: unknown;
}

/** Whether an error is one of Connect's. */
export function isConnectError(error: unknown): error is ConnectError {
  return error instanceof ConnectError;
}

/**
 * The problem that stands for an RPC error, with all that it carries: `code`, the text as `detail`, `details` (in base64 and
 * as JSON) and what its `metadata` says. {@link connectErrorFromProblem} gives the error back.
 *
 * A `ConnectError` that a handler of an app throws becomes this.
 *
 * @param instance - the request id
 */
export function problemFromConnectError(error: ConnectError, instance?: string): Problem {
  const code = rpcFromCode(error.code);
  const { details } = errorToJson(error, undefined) as { details?: readonly RpcProblemDetail[] };
  const metadata = new Headers();
  mergeNonProtocolHeaders(metadata, error.metadata);
  const fields = Object.fromEntries(metadata);
  return {
    ...problem(
      httpStatusFromRpc(code),
      code,
      error.rawMessage === "" ? undefined : error.rawMessage,
      instance,
    ),
    ...(details === undefined ? undefined : { details }),
    ...(Object.keys(fields).length === 0 ? undefined : { metadata: fields }),
  };
}

/**
 * The RPC error that stands for a problem, whatever made it: its RPC code if it has one, else that of the mesh's
 * code, else that of its HTTP status. That of a problem made of a `ConnectError` says what that one said.
 *
 * @example
 * ```ts
 * const error = await mesh.rest("lake").get("rows/7").json().catch((error) => error);
 * if (isHttpError(error) && error.problem) throw connectErrorFromProblem(error.problem);
 * ```
 */
export function connectErrorFromProblem(given: ProblemLike): ConnectError {
  const { detail, title, details, metadata, retryAfterMs } = given;
  const said = typeof given.code === "string" ? given.code : "";
  const rpcCode = knownCode(said);
  const code =
    rpcCode ??
    codeFromRpc(isMeshErrorCode(said) ? rpcCodeFromMeshError(said) : rpcCodeFromHttp(given.status));
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
    // What came is anything: errorFromJson checks it.
    return errorFromJson({ code: "unknown", details: details as never }, undefined, fallback).details;
  } catch {
    // Details that nobody can read are as good as none.
    return [];
  }
}
