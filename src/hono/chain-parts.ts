import type { Call } from "../core/call.ts";
import type { MeshError } from "../core/errors.ts";
import type { Deadlines } from "../policy/deadline-wheel.ts";
import type { Admission } from "../serve/admission.ts";
import type { Cors } from "./cors.ts";

/** Carries the current call through a handler's awaits; the runtime's async context is one. */
export interface CallScope {
  run<T>(call: Call, task: () => T): T;
}

/** What the chain is made of. */
export interface ChainParts {
  readonly admission: Admission;
  readonly deadlines: Deadlines;
  readonly cors: Cors | undefined;
  readonly bodyLimitBytes: number;
  readonly scope: CallScope | undefined;
  /** The refusal of a method that no handler may see. */
  readonly refuseMethod: (method: string, path: string) => MeshError;
  /** Told of errors that the caller is told nothing about; never throws. */
  readonly onError: ((error: unknown, call: Call) => void) | undefined;
}
