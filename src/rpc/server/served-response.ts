import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Call } from "../../core/call.ts";
import { outcomeOfCancelledCall, outcomeOfMeshError } from "../../core/classifier.ts";
import { isUpstream } from "../../core/upstream.ts";
import { errorResponse } from "../dialect/error-response.ts";
import type { RpcDialect } from "../dialect/rpc-dialect.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import type { CallLifecycle } from "./dispatcher.ts";
import { type ServedCall, trackResponse } from "./response-body.ts";

/**
 * Waits for the response, or for the end of the call if that comes first: a handler need not listen to its signal.
 * Never rejects.
 */
export function responseOf(
  served: ServedCall,
  gate: CallLifecycle,
  serve: () => Promise<UniversalServerResponse>,
): Promise<UniversalServerResponse> {
  const { call, wire } = served;
  return new Promise((resolve) => {
    let open = true;
    const detach = call.onCancel((reason) => {
      open = false;
      const error = gate.errorFor(call, reason);
      call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
      resolve(errorResponse(wire, error));
    });
    if (!open) return;
    const fail = (error: unknown): void => {
      if (!open) return;
      open = false;
      detach();
      resolve(refusal(gate, call, wire, error));
    };
    begun(serve).then((response) => {
      if (!open) {
        dispose(response);
        return;
      }
      try {
        const guarded = trackResponse(response, served, gate);
        detach();
        resolve(guarded);
      } catch (error) {
        fail(error);
      }
    }, fail);
  });
}

/** What is thrown before there is a promise must end the call as well. */
function begun<T>(task: () => Promise<T>): Promise<T> {
  try {
    return task();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The response to a call that the chain refused, or whose handler failed before its first word. Never throws. */
export function refusal(
  gate: CallLifecycle,
  call: Call,
  wire: RpcDialect,
  thrown: unknown,
): UniversalServerResponse {
  const error = gate.errorFor(call, thrown);
  const own = isUpstream(thrown) ? undefined : outcomeOfMeshError(thrown);
  call.end(outcomeOfCancelledCall(call) ?? own ?? outcomeOfCode(error.code));
  return errorResponse(wire, error);
}

/** Lets go of a response that nobody waits for any more. */
function dispose(response: UniversalServerResponse): void {
  try {
    const iterator = response.body?.[Symbol.asyncIterator]();
    const ended = new ConnectError("the call has ended", Code.Canceled);
    (iterator?.throw?.(ended) ?? iterator?.return?.())?.catch(() => {});
  } catch {
    // What fails while it is thrown away is missed by nobody.
  }
}
