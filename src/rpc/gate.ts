import { ConnectError } from "@connectrpc/connect";
import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { isMeshError, MeshError } from "../core/errors.ts";
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
  /** Told of what goes out as `internal`, without its text. */
  readonly onError: ((call: Call, error: unknown) => void) | undefined;
}

/** Makes the chain of one RPC, shared by Connect's handlers and by a wire of the runtime's own. */
export function createGate(options: GateOptions): RpcGate {
  const { admission, clock, maxTimeoutMs, asyncContext, onError } = options;
  return {
    open(arrival) {
      const call = admission.open(clamped(arrival, maxTimeoutMs));
      watchDeadline(call, clock);
      return call;
    },
    admit: (call, arrival) => admission.admit(call, arrival),
    timeLeft: (call) => (call.deadline === Infinity ? undefined : call.deadline - clock.now()),
    run: (call, task) => (asyncContext === undefined ? task() : asyncContext.run(call, task)),
    errorFor(call, error) {
      // What a handler throws after its call was cancelled is no news.
      if (!(call.cancelled || error instanceof ConnectError || isMeshError(error))) onError?.(call, error);
      return wireError(call, error);
    },
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
