import { createContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { meshCall } from "../context.ts";
import { timeoutHeader } from "../dialect/timeout-header.ts";
import { servedCall } from "./error-mapping.ts";
import type { ServedCall } from "./response-body.ts";

/**
 * The request as Connect's handlers are given it: with the call in its context values and the call's own signal.
 *
 * The call keeps the time, so Connect is not told of it: a timer of its own would outlive a call that was
 * cancelled by as much as the caller granted, and would pass at once where that exceeds what timers can hold.
 * A malformed timeout stays, for Connect to refuse it in the protocol's own words.
 */
export function connectRequest(
  request: UniversalServerRequest,
  served: ServedCall,
  timeoutMs: number | undefined,
): UniversalServerRequest {
  const { call, wire } = served;
  const contextValues = request.contextValues ?? createContextValues();
  contextValues.set(meshCall, call).set(servedCall, served);
  const timed = timeoutMs !== undefined && !Number.isNaN(timeoutMs);
  return {
    httpVersion: request.httpVersion,
    method: request.method,
    url: request.url,
    header: timed ? without(request.header, timeoutHeader(wire.protocol)) : request.header,
    body: request.body,
    signal: call.signal,
    contextValues,
  };
}

function without(header: Headers, name: string): Headers {
  try {
    header.delete(name);
    return header;
  } catch {
    // The headers of a fetch request may be immutable.
    const copy = new Headers(header);
    copy.delete(name);
    return copy;
  }
}
