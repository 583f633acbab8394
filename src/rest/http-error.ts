import { isMeshError, MeshError } from "../core/errors.ts";
import { markUpstream } from "../core/upstream.ts";
import { errorFromProblem, type Problem } from "../http/problem.ts";
import { pushbackFrom } from "../http/pushback.ts";
import { shownUrl } from "./rest-path.ts";
import type { RestResponse } from "./rest-response.ts";

/**
 * A service responded with a status other than 2xx. What it said is in `problem`, and the whole response in
 * `response`, whose body has been read already (its first 64 KiB).
 *
 * Where it escapes from a handler, the caller of that handler is told of a bad gateway: what a service said is not the
 * caller's fault, nor meant for him. A handler that wants to pass it on says so, with `response` or `problem`.
 */
export class HttpError extends MeshError {
  override readonly name: string = "HttpError";
  readonly status: number;
  /** The problem that came, or the plain one of the status; undefined for a redirect. */
  readonly problem: Problem | undefined;
  readonly response: RestResponse;

  constructor(message: string, problem: Problem | undefined, response: RestResponse) {
    const pushbackMs = problem?.retryAfterMs ?? pushbackFrom(response.headers);
    super(
      "ERR_HTTP_STATUS",
      message,
      pushbackMs === undefined || pushbackMs === Infinity ? {} : { retryAfterMs: pushbackMs },
    );
    this.status = response.status;
    this.problem = problem;
    this.response = response;
    markUpstream(this);
  }
}

/** Whether `error` is an {@link HttpError} (of that status), also when it comes from another copy of the package. */
export function isHttpError(error: unknown, status?: number): error is HttpError {
  if (!isMeshError(error, "ERR_HTTP_STATUS") || (error as Partial<HttpError>).response === undefined)
    return false;
  return status === undefined || (error as HttpError).status === status;
}

/**
 * The error for a response whose body has been read.
 *
 * @param what - the request, as the message names it: `GET lake/datasets/7`
 */
export function httpErrorFrom(what: string, response: RestResponse, body: string): HttpError {
  const { status } = response;
  if (status < 400) {
    const location = response.headers.get("location");
    const where =
      location == null ? "" : `, which redirects to ${shownUrl(location)}: redirects are not followed`;
    return new HttpError(`${what} returned ${status}${where}`, undefined, response);
  }
  const type = response.headers.get("content-type") ?? "";
  const { problem } = errorFromProblem(/[/+]json\b/i.test(type) ? jsonOrNothing(body) : undefined, status);
  const detail = problem.detail ?? (/^text\/plain\b/i.test(type) ? firstLine(body) : undefined);
  return new HttpError(
    `${what} returned ${status} ${problem.title}${detail ? `: ${detail}` : ""}`,
    problem,
    response,
  );
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  const line = text.trimStart().split("\n", 1)[0] ?? "";
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
