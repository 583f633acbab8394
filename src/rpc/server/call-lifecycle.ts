import { ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { isMeshError, MeshError } from "../../core/errors.ts";
import { quietHook, reportLost } from "../../core/hooks.ts";
import { deadlinesOf } from "../../policy/deadline-wheel.ts";
import type { Admission, InboundRequest } from "../../serve/admission.ts";
import { internalError, wireError } from "../dialect/wire-error.ts";
import type { CallLifecycle } from "./dispatcher.ts";
import { isFromUpstream } from "./upstream-error.ts";
import { writableError } from "./writable-error.ts";

/** What a gate is made of. */
export interface GateOptions {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly maxTimeoutMs: number;
  readonly asyncContext: { run<T>(call: Call, task: () => T): T } | undefined;
  /** Told of what goes out as `internal`, without its text. */
  readonly onError: ((call: Call, error: unknown) => void) | undefined;
}

/** Makes the chain of one RPC, shared by Connect's handlers and by a wire of the runtime's own. */
export function createCallLifecycle(options: GateOptions): CallLifecycle {
  const { admission, clock, maxTimeoutMs, asyncContext } = options;
  const onError = options.onError && quietHook(options.onError);

  function report(call: Call | undefined, error: unknown): void {
    if (call === undefined) reportLost("A request", error);
    else onError?.(call, error);
  }

  return {
    open(inbound) {
      const call = admission.open(clamped(inbound, maxTimeoutMs));
      watchDeadline(call, clock);
      return call;
    },
    admit: (call, inbound) => admission.admit(call, inbound),
    timeLeft: (call) => (call.deadline === Infinity ? undefined : call.deadline - clock.now()),
    run: (call, task) => (asyncContext === undefined ? task() : asyncContext.run(call, task)),
    errorFor(call, error) {
      try {
        // What a handler throws after its call was cancelled is no news.
        if (!call.cancelled && isHidden(error)) report(call, error);
        return writableError(wireError(call, error));
      } catch (unreadable) {
        // Anything can be thrown, also what cannot even be looked at.
        report(call, unreadable);
        return internalError(unreadable);
      }
    },
    report,
  };
}

/** Whether the client is told nothing of an error but that there was one, so that somebody else must be. */
function isHidden(error: unknown): boolean {
  return isFromUpstream(error) || !(error instanceof ConnectError || isMeshError(error));
}

function clamped(inbound: InboundRequest, maxTimeoutMs: number): InboundRequest {
  const { timeoutMs = Infinity } = inbound;
  return maxTimeoutMs < timeoutMs ? { ...inbound, timeoutMs: maxTimeoutMs } : inbound;
}

/** Cancels the call at its deadline, unless it has ended by then. */
export function watchDeadline(call: Call, clock: Clock): void {
  if (call.deadline === Infinity) return;
  const deadlines = deadlinesOf(clock);
  const entry = deadlines.add(call.deadline, () =>
    call.cancel(
      new MeshError("ERR_DEADLINE_EXCEEDED", `Cannot complete ${call.operation}: its deadline has passed`),
    ),
  );
  call.onEnd(() => deadlines.remove(entry));
}
