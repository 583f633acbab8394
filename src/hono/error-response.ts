import type { Context } from "hono";
import type { Call } from "../core/call.ts";
import { isMeshError, MeshError } from "../core/errors.ts";
import { type Problem, problem, problemContentType, problemFromError } from "../http/problem.ts";
import { type RateLimitDecision, rateLimitHeaders } from "../policy/rate-limit.ts";
import { publicError } from "../rpc/dialect/wire-error.ts";
import { isConnectError, problemFromConnectError } from "../rpc/problem.ts";
import { isFromUpstream } from "../rpc/server/upstream-error.ts";
import { findJsonFault, type JsonFault } from "./json-position.ts";

/** A problem as a response. */
export function problemResponse(body: Problem, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: { "content-type": problemContentType, ...headers },
  });
}

/**
 * The response to an error that a handler threw, or a layer. Messages of faults on the server's side do not
 * leave it, nor does what another service said; a response that the error brings along (Hono's `HTTPException` with
 * `res`) is sent as it is. Never throws: an error that cannot even be read is a plain 500.
 */
export function errorResponse(error: unknown, call: Pick<Call, "requestId"> | undefined): Response {
  const requestId = call?.requestId ?? "";
  try {
    if (isFromUpstream(error)) return upstreamResponse(error, requestId);
    const ready = readyResponse(error);
    if (ready !== undefined) return ready;
    // What a handler says in an error of its own is meant for the caller, by REST as by RPC.
    if (isConnectError(error)) return problemResponse(problemFromConnectError(publicError(error), requestId));
    const body = problemFromError(error, { instance: requestId, expose: false });
    return problemResponse(body, headersOf(error, body));
  } catch {
    return problemResponse(problem(500, undefined, undefined, requestId));
  }
}

/**
 * The response to an error that came from another service: 503 or 504 where it is not to be had or took too long, else
 * 502, never the caller's fault. What the other service said stays here, its code as well: a client would take it for
 * one of this service.
 */
function upstreamResponse(error: unknown, instance: string): Response {
  const body = problemFromError(error, { instance, expose: false });
  const { status, retryAfterMs } = body;
  const local = isMeshError(error) && error.code !== "ERR_HTTP_STATUS";
  if (local && (status === 503 || status === 504)) return problemResponse(body, headersOf(error, body));
  if (status === 504) return problemResponse(problem(504, "deadline_exceeded", undefined, instance));
  if (status !== 503 && status !== 429) return problemResponse(problem(502, undefined, undefined, instance));
  return problemResponse(problem(503, "unavailable", undefined, instance), retryAfter(retryAfterMs));
}

function readyResponse(error: unknown): Response | undefined {
  if (!(error instanceof Error)) return undefined;
  const { res, getResponse } = error as { res?: unknown; getResponse?: () => Response };
  return res instanceof Response && typeof getResponse === "function" ? getResponse.call(error) : undefined;
}

/** The header fields that belong to a response: what would be allowed, how to authenticate, when to come back. */
function headersOf(error: unknown, body: Problem): Record<string, string> {
  if (!isMeshError(error)) return {};
  const { allow, challenge, decision } = error as MeshError & {
    allow?: string;
    challenge?: string;
    decision?: RateLimitDecision;
  };
  if (allow !== undefined) return { allow };
  if (challenge !== undefined) return { "www-authenticate": challenge };
  if (decision !== undefined) return { ...rateLimitHeaders(decision) };
  return retryAfter(body.retryAfterMs);
}

function retryAfter(retryAfterMs: number | undefined): Record<string, string> {
  return retryAfterMs === undefined || !(retryAfterMs < Infinity)
    ? {}
    : { "retry-after": String(Math.max(Math.ceil(retryAfterMs / 1000), 1)) };
}

/** A request body that is no JSON although the handler expected it. */
export class MalformedJsonError extends MeshError {
  override readonly name: string = "MalformedJsonError";
  /** What the problem says beside the message. */
  readonly members: { readonly position: JsonFault };

  constructor(body: string, position: JsonFault, cause: SyntaxError) {
    const found =
      body === "" ? "it is empty" : position.offset === body.length ? "it ends too early" : "it is malformed";
    const place = `line ${position.line}, column ${position.column}`;
    super("ERR_INVALID_BODY", `The request body is not JSON: ${found} at ${place}`, { cause });
    this.members = { position };
  }
}

/**
 * The same error, unless it comes from a handler that tried to parse the request body as JSON in vain: then one
 * that says so. `JSON.parse` throws the same error for any text, so the body, which Hono has kept, is looked at
 * again: that costs nothing as long as nobody sends broken JSON.
 */
export async function explainSyntaxError(c: Context, error: SyntaxError): Promise<MeshError | SyntaxError> {
  const { text } = c.req.bodyCache;
  if (text === undefined) return error;
  let body: string;
  try {
    body = await text;
  } catch {
    // It never came to its end, and so it is not what was parsed.
    return error;
  }
  try {
    JSON.parse(body);
  } catch (own) {
    const position = findJsonFault(body);
    if (position !== undefined && (own as Error).message === error.message) {
      return new MalformedJsonError(body, position, error);
    }
  }
  return error;
}
