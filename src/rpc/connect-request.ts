import { createContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { meshCall } from "./context.ts";
import { servedCall } from "./error-mapping.ts";
import type { ServedCall } from "./guarded-response.ts";
import { formatTimeout, timeoutHeader } from "./timeout.ts";
import type { RpcWire } from "./wire.ts";

/**
 * The request as Connect's handlers are given it: with the call in its context values, the call's own signal and,
 * given a clock, the time that is left.
 */
export function connectRequest(
  request: UniversalServerRequest,
  served: ServedCall,
  clock: Clock | undefined,
): UniversalServerRequest {
  const { call } = served;
  const contextValues = request.contextValues ?? createContextValues();
  contextValues.set(meshCall, call).set(servedCall, served);
  return {
    httpVersion: request.httpVersion,
    method: request.method,
    url: request.url,
    header: clock === undefined ? request.header : withTimeout(request.header, served.wire, call, clock),
    body: request.body,
    signal: call.signal,
    contextValues,
  };
}

/** The headers with the time that really remains, which `context.timeoutMs()` then tells the handler. */
function withTimeout(header: Headers, wire: RpcWire, call: Call, clock: Clock): Headers {
  const name = timeoutHeader(wire.protocol);
  const value =
    call.deadline === Infinity ? undefined : formatTimeout(wire.protocol, call.deadline - clock.now());
  if (value === undefined) return header;
  try {
    header.set(name, value);
    return header;
  } catch {
    // The headers of a fetch request may be immutable.
    const copy = new Headers(header);
    copy.set(name, value);
    return copy;
  }
}
