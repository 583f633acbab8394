import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { deadlinesOf } from "../policy/deadline-wheel.ts";
import type { Admission, Arrival } from "../server/admission.ts";
import type { RpcGate } from "./dispatcher.ts";
import { wireError } from "./errors.ts";

/** What a gate is made of. */
export interface GateOptions {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly maxTimeoutMs: number;
  readonly asyncContext: { run<T>(call: Call, task: () => T): T } | undefined;
}

/** Makes the chain of one RPC, shared by Connect's handlers and by a wire of the runtime's own. */
export function createGate(options: GateOptions): RpcGate {
  const { admission, clock, maxTimeoutMs, asyncContext } = options;
  return {
    open(arrival) {
      const call = admission.open(clamped(arrival, maxTimeoutMs));
      watchDeadline(call, clock);
      return call;
    },
    admit: (call, arrival) => admission.admit(call, arrival),
    run: (call, task) => (asyncContext === undefined ? task() : asyncContext.run(call, task)),
    errorFor: wireError,
  };
}

function clamped(arrival: Arrival, maxTimeoutMs: number): Arrival {
  const { timeoutMs = Infinity } = arrival;
  return maxTimeoutMs < timeoutMs ? { ...arrival, timeoutMs: maxTimeoutMs } : arrival;
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
