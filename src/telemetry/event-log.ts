import type { Call } from "../core/call.ts";
import type { MeshEvent } from "../core/events.ts";
import { reportLost } from "../core/hooks.ts";
import type { Outcome } from "../core/outcome.ts";
import type { Log, LogLevel } from "./logger.ts";
import { oneLine } from "./redaction.ts";

/** How much each event matters, and what its line says. */
const lines: Readonly<Record<MeshEvent["type"], readonly [level: LogLevel, message: string]>> = {
  "endpoint-picked": ["trace", "endpoint picked"],
  resolved: ["trace", "waited for the service to be resolved"],
  authenticated: ["trace", "caller authenticated"],
  retry: ["debug", "attempt failed, another one follows"],
  "retry-declined": ["debug", "attempt failed, no other one follows"],
  refused: ["debug", "call refused by a limit"],
  "deadline-exceeded": ["debug", "deadline exceeded"],
  "connection-opened": ["debug", "connection opened"],
  "connection-closed": ["debug", "connection closed"],
  "connection-failed": ["warn", "connection failed"],
  "tls-failed": ["warn", "TLS failed"],
  "breaker-opened": ["warn", "circuit breaker opened"],
  "breaker-half-open": ["info", "circuit breaker half-open"],
  "breaker-closed": ["info", "circuit breaker closed"],
  "endpoint-up": ["info", "endpoint up"],
  "endpoint-down": ["info", "endpoint down"],
  "drain-started": ["info", "drain started"],
  "drain-ended": ["info", "drain ended"],
  "update-refused": ["error", "new options refused, those before stay in use"],
  "request-refused": ["info", "malformed request refused"],
  error: ["error", "request failed"],
};

function levelOf(event: MeshEvent): LogLevel {
  // Clients reset connections, and send garbage, as they like.
  if (event.type === "connection-failed" && event.side === "server") {
    if (event.reason === "socket") return "debug";
    if (event.reason === "protocol") return "info";
  }
  return lines[event.type][0];
}

/** The trace id of a `traceparent`; undefined when there is none. */
export function traceIdOf(traceparent: string): string | undefined {
  return traceparent === "" ? undefined : traceparent.slice(3, 35);
}

/** What lines say of the call that they are about. */
export function callFields(call: Call): Record<string, unknown> {
  return {
    side: call.side,
    protocol: call.protocol,
    service: oneLine(call.service),
    operation: oneLine(call.operation),
    requestId: call.requestId === "" ? undefined : oneLine(call.requestId),
    traceId: traceIdOf(call.traceparent),
    principal: call.principal && oneLine(call.principal.id),
  };
}

/** The fields of an event, in the form that lines have; those of errors with the place where that is of use. */
function eventFields({ redaction }: Log, event: MeshEvent): Record<string, unknown> {
  const { type, ...given } = event;
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given as Readonly<Record<string, unknown>>)) {
    if (name === "error") fields.error = value && redaction.error(value, type === "error");
    else if (name === "outcome") fields.outcome = (value as Outcome).status;
    else if (name === "principal") continue;
    else fields[name] = typeof value === "string" ? oneLine(value) : value;
  }
  return fields;
}

/** Writes events into a log; a call's own events with what is known of the call. Never throws. */
export function eventLog(log: Log): (event: MeshEvent, call: Call | undefined) => void {
  return function logEvent(event, call) {
    const level = levelOf(event);
    if (!log.writes(level)) return;
    try {
      const fields = {
        event: event.type,
        ...(call && { ...callFields(call), attempt: call.attempt, origin: call.endpoint?.origin }),
        ...eventFields(log, event),
      };
      log.write(level, fields, lines[event.type][1]);
    } catch (error) {
      // What a resolver or a validator made, an origin or a principal, may be anything.
      reportLost("The log of events", error);
    }
  };
}
