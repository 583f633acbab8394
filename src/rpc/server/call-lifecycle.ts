import { ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { isMeshError } from "../../core/errors.ts";
import { quietHook, reportLost } from "../../core/hooks.ts";
import type { RequestPipeline } from "../../serve/request-pipeline.ts";
import { internalError, wireError } from "../dialect/wire-error.ts";
import { isFromUpstream } from "./upstream-error.ts";
import { writableError } from "./writable-error.ts";

/** What every RPC on the server needs from its beginning to its end, whatever wire it came by. */
export interface CallLifecycle {
  /** Opens and serves calls. */
  readonly pipeline: RequestPipeline;
  /** The time that a call gets, of what its caller grants, in milliseconds. */
  granted(timeoutMs: number | undefined): number | undefined;
  /** Milliseconds until the call's deadline, by the mesh's clock; undefined when there is none. */
  timeLeft(call: Call): number | undefined;
  /** Runs `task` with the call as the current one, so that outgoing calls inherit its context. */
  run<T>(call: Call, task: () => T): T;
  /**
   * What goes on the wire for what an implementation or a layer threw; tells `onError` of what the client is not
   * told. Never throws.
   */
  errorFor(call: Call, error: unknown): ConnectError;
  /** Tells `onError` of a failure outside of the implementation: of a response that could not be written. Never throws. */
  report(call: Call | undefined, error: unknown): void;
}

/** What a {@link CallLifecycle} is made of. */
export interface CallLifecycleOptions {
  readonly pipeline: RequestPipeline;
  readonly clock: Clock;
  readonly maxTimeoutMs: number;
  readonly asyncContext: { run<T>(call: Call, task: () => T): T } | undefined;
  /** Told of what goes out as `internal`, without its text. */
  readonly onError: ((call: Call, error: unknown) => void) | undefined;
}

/** Makes what Connect's handlers and a wire of the runtime's own share. */
export function createCallLifecycle(options: CallLifecycleOptions): CallLifecycle {
  const { pipeline, clock, maxTimeoutMs, asyncContext } = options;
  const onError = options.onError && quietHook(options.onError);

  function report(call: Call | undefined, error: unknown): void {
    if (call === undefined) reportLost("A request", error);
    else onError?.(call, error);
  }

  return {
    pipeline,
    granted: (timeoutMs) =>
      maxTimeoutMs === Infinity ? timeoutMs : Math.min(timeoutMs ?? Infinity, maxTimeoutMs),
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
