import { type Call, type CallKey, callKey } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Connection } from "../core/connection.ts";
import type { MeshErrorCode } from "../core/errors.ts";
import type { HeaderSource } from "../core/headers.ts";
import { reportLost } from "../core/hooks.ts";
import type { PeerIdentity } from "../core/identity.ts";
import type { Outcome } from "../core/outcome.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import { httpStatusFromMeshError, rpcCodeFromMeshError } from "../core/status.ts";
import type { AccessLogOptions } from "./access-log-options.ts";
import { callFields } from "./event-log.ts";
import type { Log } from "./logger.ts";
import { oneLine, redacted } from "./redaction.ts";

/** Longest `user-agent` that is written, in characters. */
const maxUserAgent = 256;

/** What the log reads of a request that is served. */
export interface AccessRequest {
  readonly headers: HeaderSource;
  readonly connection: Connection;
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

/** A layer around requests that are served. */
export type AccessLayer = <Req extends AccessRequest, Res>(next: Service<Req, Res>) => Service<Req, Res>;

/** What the attempts of one call leave for its line. */
interface Attempts {
  count: number;
  origin: string | undefined;
}

const attemptsKey: CallKey<Attempts | undefined> = callKey<Attempts | undefined>("attempts", undefined);

/** The layers that write an access log. */
export interface AccessLog {
  /** Outermost around requests that are served; undefined when there are no lines for them. */
  readonly served: AccessLayer | undefined;
  /** Outermost around calls that are made; undefined when there are no lines for them. */
  readonly made: AnyLayer | undefined;
  /** Around each attempt of these. */
  readonly attempted: AnyLayer | undefined;
}

/** Times and chance of an access log. */
export interface AccessLogParts {
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

/**
 * Makes the layers that write one line for each request that is served, and for each call that is made: when both its
 * response and its end are known, whichever comes first.
 */
export function accessLog(log: Log, options: AccessLogOptions, parts: AccessLogParts = {}): AccessLog {
  const { clock = systemClock, random = systemRandom } = parts;
  const { served = true, calls = false, sample = 1, headers = [] } = options;
  const names = headers.map((name) => name.toLowerCase());
  const wanted = ({ status }: Outcome): boolean => status !== "ok" || sample === 1 || random() < sample;

  function write(event: "request" | "call", call: Call, ended: Ended, rest: Record<string, unknown>): void {
    const durationMs = Math.round((ended.at - ended.startedAt) * 1000) / 1000;
    const fields = {
      event,
      ...callFields(call),
      ...statusOf(call, ended),
      outcome: ended.outcome.status,
      durationMs,
      ...rest,
    };
    log.write("info", fields, event === "request" ? "request served" : "call made");
  }

  /** Runs the next service, and calls `line` once the call has ended and its response, or its lack, is known. */
  function observed<Req, Res>(
    next: Service<Req, Res>,
    call: Call,
    request: Req,
    line: (ended: Ended) => void,
  ): Res | Promise<Res> {
    const startedAt = clock.now();
    let outcome: Outcome | undefined;
    let at = 0;
    let known = false;
    let response: unknown;
    const finish = (): void => {
      if (!known || outcome === undefined || !wanted(outcome)) return;
      try {
        line({ startedAt, at, outcome, response });
      } catch (error) {
        reportLost("The access log", error);
      }
    };
    const responded = (value: unknown): void => {
      known = true;
      response = value;
      finish();
    };
    call.onEnd((end) => {
      outcome = end;
      at = clock.now();
      finish();
    });
    try {
      const result = next(call, request);
      if (result instanceof Promise) result.then(responded, () => responded(undefined));
      else responded(result);
      return result;
    } catch (error) {
      responded(undefined);
      throw error;
    }
  }

  function headerFields(source: HeaderSource): Record<string, string> | undefined {
    if (names.length === 0) return undefined;
    const fields: Record<string, string> = {};
    for (const name of names) {
      const value = source.get(name);
      if (value != null) fields[name] = log.redaction.hides(name) ? redacted : log.redaction.text(value);
    }
    return fields;
  }

  const servedLayer: AccessLayer = (next) => (call, request) =>
    observed(next, call, request, (ended) => {
      const { headers: source, connection, method, url } = request;
      const userAgent = source.get("user-agent");
      write("request", call, ended, {
        method: method === undefined ? undefined : oneLine(method),
        // The query of an RPC is its message.
        target: url === undefined ? undefined : log.redaction.target(url, call.protocol === "rest"),
        requestBytes: lengthIn(source),
        responseBytes: bytesOf(ended.response),
        remote: connection.remoteAddress === "" ? undefined : connection.remoteAddress,
        httpVersion: connection.httpVersion === "" ? undefined : connection.httpVersion,
        peer: peerName(call.peer ?? connection.peer),
        userAgent: userAgent == null ? undefined : oneLine(userAgent, maxUserAgent),
        headers: headerFields(source),
      });
    });

  const madeLayer: AnyLayer = (next) => (call, request) => {
    const attempts: Attempts = { count: 0, origin: undefined };
    call.set(attemptsKey, attempts);
    return observed(next, call, request, (ended) =>
      write("call", call, ended, {
        attempts: attempts.count,
        origin: attempts.origin,
        responseBytes: bytesOf(ended.response),
      }),
    );
  };

  const attemptedLayer: AnyLayer = (next) => (call, request) => {
    const attempts = call.get(attemptsKey);
    if (attempts !== undefined) {
      attempts.count++;
      call.onEnd(() => {
        attempts.origin = call.endpoint?.origin;
      });
    }
    return next(call, request);
  };

  return {
    served: served ? servedLayer : undefined,
    made: calls ? madeLayer : undefined,
    attempted: calls ? attemptedLayer : undefined,
  };
}

/** A call that is over. */
interface Ended {
  readonly startedAt: number;
  readonly at: number;
  readonly outcome: Outcome;
  /** Undefined when there was none. */
  readonly response: unknown;
}

/** The HTTP status of REST, the code of RPC; undefined where there was no response. */
function statusOf(call: Call, { outcome: { status }, response }: Ended): Record<string, unknown> {
  const meshCode = `ERR_${status.toUpperCase()}` as MeshErrorCode;
  if (call.protocol === "rest") {
    const given = (response as { status?: unknown } | undefined)?.status;
    if (typeof given === "number") return { status: given };
    if (status.startsWith("http_")) return { status: Number(status.slice(5)) };
    // A server sends its errors by this table; a client that got no response has no status.
    return { status: call.side === "server" ? httpStatusFromMeshError(meshCode) : undefined };
  }
  // Statuses of the mesh's own errors are their codes in small letters; the others are codes of RPC as they are.
  const code = status.startsWith("transport_") ? "unavailable" : (rpcCodeFromMeshError(meshCode) ?? status);
  return { code };
}

const decimal = /^\d{1,15}$/;

function lengthIn(headers: HeaderSource): number | undefined {
  const length = headers.get("content-length");
  return length != null && decimal.test(length) ? Number(length) : undefined;
}

const encoder = new TextEncoder();

/** The size of a response's body where that is known: by its length, or because it is whole. */
function bytesOf(response: unknown): number | undefined {
  if (typeof response !== "object" || response === null) return undefined;
  const { headers, source } = response as { readonly headers?: Partial<HeaderSource>; source?: unknown };
  if (typeof source === "string") return encoder.encode(source).byteLength;
  if (source instanceof Uint8Array) return source.byteLength;
  return typeof headers?.get === "function" ? lengthIn(headers as HeaderSource) : undefined;
}

function peerName(peer: PeerIdentity | undefined): string | undefined {
  return peer && oneLine(peer.spiffeId ?? (peer.commonName || peer.subject));
}
