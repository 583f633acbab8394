import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Call } from "../core/call.ts";
import { outcomeOfCancelledCall, outcomeOfMeshError } from "../core/classifier.ts";
import { outcomeOfCode } from "./classifier.ts";
import type { RpcGate } from "./dispatcher.ts";
import { errorResponse } from "./error-response.ts";
import { wireError } from "./errors.ts";
import { guardResponse, type ServedCall } from "./guarded-response.ts";
import type { RpcWire } from "./wire.ts";

/** Waits for the response, or for the end of the call if that comes first: a handler need not listen to its signal. */
export function answerOf(
  served: ServedCall,
  gate: RpcGate,
  serve: () => Promise<UniversalServerResponse>,
): Promise<UniversalServerResponse> {
  const { call, wire } = served;
  return new Promise((resolve) => {
    let open = true;
    const detach = call.onCancel((reason) => {
      open = false;
      const error = wireError(call, reason);
      call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
      resolve(errorResponse(wire, error));
    });
    if (!open) return;
    begun(serve).then(
      (response) => {
        if (!open) {
          dispose(response);
          return;
        }
        detach();
        resolve(guardResponse(response, served, gate));
      },
      (error: unknown) => {
        if (!open) return;
        detach();
        resolve(refusal(gate, call, wire, error));
      },
    );
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

/** The answer to a call that a gate refused, or whose handler failed before its first word. */
export function refusal(gate: RpcGate, call: Call, wire: RpcWire, thrown: unknown): UniversalServerResponse {
  const error = gate.errorFor(call, thrown);
  call.end(outcomeOfCancelledCall(call) ?? outcomeOfMeshError(thrown) ?? outcomeOfCode(error.code));
  return errorResponse(wire, error);
}

function dispose(response: UniversalServerResponse): void {
  const iterator = response.body?.[Symbol.asyncIterator]();
  (iterator?.throw?.(new ConnectError("the call has ended", Code.Canceled)) ?? iterator?.return?.())?.catch(
    () => {},
  );
}
