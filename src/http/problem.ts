import { isMeshError, MeshError, type MeshErrorCode } from "../core/errors.ts";
import { reasonPhrases } from "../core/reason-phrases.ts";
import {
  httpStatusFromMeshError,
  httpStatusFromRpc,
  type RpcCode,
  rpcCodeFromNumber,
} from "../core/status.ts";

/** The content type of a problem. */
export const problemContentType = "application/problem+json";

/** One thing that is wrong with a request. */
export interface Violation {
  /** Where: a JSON Pointer below the validated part, for example `/tags/0`; empty for the whole. */
  readonly pointer: string;
  /** What is wrong, in words. */
  readonly detail: string;
}

/** Problem details for HTTP APIs (RFC 9457). */
export interface Problem {
  /** `about:blank` or an absolute URI. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** The request id. */
  readonly instance?: string;
  /** The code of a mesh error, or the name of an RPC code. */
  readonly code?: string;
  /** How long to wait before another attempt, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly violations?: readonly Violation[];
  /** Members of the application's own. */
  readonly [member: string]: unknown;
}

/**
 * An error response of a server, as an error: `code` is always `ERR_HTTP_STATUS`, what the server said
 * is in `problem`. Throw one in a handler to respond with a problem of your own.
 *
 * @example
 * ```ts
 * throw new ProblemError({ type: "about:blank", title: "Gone", status: 410, detail: "The dataset was deleted" });
 * ```
 */
export class ProblemError extends MeshError {
  override readonly name: string = "ProblemError";
  readonly problem: Problem;

  constructor(problem: Problem, options: { readonly cause?: unknown } = {}) {
    super("ERR_HTTP_STATUS", problem.detail ?? `${problem.status} ${problem.title}`, {
      ...options,
      ...(problem.retryAfterMs === undefined ? {} : { retryAfterMs: problem.retryAfterMs }),
    });
    this.problem = problem;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** Whether `error` is a {@link ProblemError}, also when it comes from another copy of the package. */
export function isProblemError(error: unknown): error is ProblemError {
  return (
    isMeshError(error, "ERR_HTTP_STATUS") && typeof (error as Partial<ProblemError>).problem === "object"
  );
}

/** Options of {@link problemFromError}. */
export interface ProblemOptions {
  /** The request id, for the `instance` member. */
  readonly instance?: string;
  /**
   * Whether messages of server-side faults are shown. A server for strangers hides them, because
   * they name addresses and files; codes and statuses stay.
   *
   * @default true
   */
  readonly expose?: boolean;
}

/** Server-side refusals whose message is written for the caller, and names nothing internal. */
const speakable: ReadonlySet<MeshErrorCode> = new Set([
  "ERR_BULKHEAD_FULL",
  "ERR_DEADLINE_EXCEEDED",
  "ERR_SHUTTING_DOWN",
]);

/**
 * The problem that stands for an error: mesh errors by the status table, {@link ProblemError} by its own
 * problem, errors with a numeric RPC code (Connect's) by that code, Hono's `HTTPException` by its status. Anything else is a 500 that says nothing.
 */
export function problemFromError(error: unknown, options: ProblemOptions = {}): Problem {
  const { instance, expose = true } = options;
  if (isProblemError(error)) return withInstance(error.problem, instance, expose);
  if (isMeshError(error)) return problemFromMeshError(error, instance, expose);
  const rpc = rpcCodeOf(error);
  if (rpc !== undefined) {
    const status = httpStatusFromRpc(rpc);
    return problem(
      status,
      rpc,
      shown(status, expose, (error as { rawMessage?: string }).rawMessage),
      instance,
    );
  }
  const status = statusOf(error);
  if (status !== undefined)
    return problem(status, undefined, shown(status, expose, (error as Error).message), instance);
  return problem(500, undefined, undefined, instance);
}

function problemFromMeshError(error: MeshError, instance: string | undefined, expose: boolean): Problem {
  const status = httpStatusFromMeshError(error.code);
  const detail = speakable.has(error.code) ? error.message : shown(status, expose, error.message);
  // Kinds of errors that know more than a message say so in `members`.
  const { members } = error as { members?: Readonly<Record<string, unknown>> };
  return {
    ...problem(status, error.code, detail, instance),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...members,
  };
}

/** A plain problem of a status. */
export function problem(status: number, code?: string, detail?: string, instance?: string): Problem {
  return {
    type: "about:blank",
    title: titleOf(status),
    status,
    ...(detail === undefined ? {} : { detail }),
    ...(instance === undefined || instance === "" ? {} : { instance }),
    ...(code === undefined ? {} : { code }),
  };
}

/**
 * The error that stands for a server's response. A body that is no problem gives the plain problem of the
 * status. `problemFromError(errorFromProblem(body, status))` gives the body back, with all its members.
 *
 * @param body - the parsed JSON body, whatever it is
 * @param status - the status of the response; it wins over the one in the body, which proxies do not rewrite
 */
export function errorFromProblem(body: unknown, status: number): ProblemError {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    return new ProblemError(problem(status));
  const members = body as Record<string, unknown>;
  const text = (name: string): string | undefined =>
    typeof members[name] === "string" ? (members[name] as string) : undefined;
  const retryAfterMs = members.retryAfterMs;
  const rest = { ...members };
  // Members of the wrong type are ignored, as the RFC demands.
  for (const name of [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "retryAfterMs",
    "violations",
  ]) {
    delete rest[name];
  }
  return new ProblemError({
    type: text("type") ?? "about:blank",
    title: text("title") ?? titleOf(status),
    status,
    ...optional("detail", text("detail")),
    ...optional("instance", text("instance")),
    ...optional("code", text("code")),
    ...optional("retryAfterMs", isWait(retryAfterMs) ? retryAfterMs : undefined),
    ...optional("violations", Array.isArray(members.violations) ? members.violations : undefined),
    ...rest,
  });
}

/** Whether a number can be written as a wait into a header again. */
function isWait(ms: unknown): ms is number {
  return typeof ms === "number" && ms >= 0 && ms <= Number.MAX_SAFE_INTEGER;
}

function optional(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}

/** A problem passed on as ours: our request id, and no details of faults on the server's side. */
function withInstance(given: Problem, instance: string | undefined, expose: boolean): Problem {
  const own = instance === undefined || instance === "" ? given : { ...given, instance };
  if (expose || own.status < 500) return own;
  const { detail: _, ...rest } = own;
  return rest;
}

function shown(status: number, expose: boolean, message: string | undefined): string | undefined {
  return message !== undefined && message !== "" && (expose || status < 500) ? message : undefined;
}

/** Connect's errors carry a numeric code and the message without its prefix; their class may be any copy's. */
function rpcCodeOf(error: unknown): RpcCode | undefined {
  if (!(error instanceof Error) || error.name !== "ConnectError") return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === "number" ? rpcCodeFromNumber(code) : undefined;
}

/** Only errors that are made to be responses (Hono's `HTTPException`): many libraries' errors have a `status` too. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { status, getResponse } = error as { status?: unknown; getResponse?: unknown };
  if (typeof getResponse !== "function") return undefined;
  return typeof status === "number" && Number.isInteger(status) && status >= 400 && status <= 599
    ? status
    : undefined;
}

/** The reason phrase of a status; that of its class where it has none of its own. */
function titleOf(status: number): string {
  return (
    reasonPhrases[status] ??
    (status >= 500 ? "Server Error" : status >= 400 ? "Client Error" : "Unexpected Status")
  );
}
