import { Call, type CallInit } from "../../src/core/call.ts";
import { type Classifier, defaultClassifier, pending } from "../../src/core/classifier.ts";
import { type Outcome, ok, outcome } from "../../src/core/outcome.ts";
import type { AnyLayer } from "../../src/core/service.ts";

/** A result that says its own verdict, so that a test can state what a protocol would have found. */
export interface Scripted {
  readonly verdict: Outcome | typeof pending;
  readonly name: string;
}

/** An error that says its own verdict. */
export class ScriptedError extends Error {
  readonly verdict: Outcome;

  constructor(message: string, verdict: Outcome = outcome("retryable", "unavailable")) {
    super(message);
    this.verdict = verdict;
  }
}

/** Reads the verdict that a scripted result or error carries; everything else as by default. */
export const scripted: Classifier<Scripted> = {
  response: (_call, response) => response.verdict,
  error: (call, error) =>
    error instanceof ScriptedError && !call.cancelled ? error.verdict : defaultClassifier.error(call, error),
};

export const succeeds: Scripted = { verdict: ok, name: "good" };
export const streams: Scripted = { verdict: pending, name: "stream" };

/** A call of the service `lake` that may be repeated, unless `init` says otherwise. */
export function newCall(init: Partial<CallInit> = {}): Call {
  return new Call({
    side: "client",
    protocol: "local",
    service: "lake",
    operation: "read",
    idempotency: "idempotent",
    ...init,
  });
}

/** What one attempt does: answer, fail, or something of its own. */
export type Step = Scripted | Error | ((call: Call) => Promise<Scripted> | Scripted);

/** A service made of a script, and what reached it. */
export interface ScriptedService {
  /** The calls that got through, in order. */
  readonly calls: Call[];
  run(call?: Call): Promise<Scripted>;
}

/** A layer around a script: the steps in turn, the last one for ever; `calls` are those that reached it. */
export function scriptedService(layer: AnyLayer, ...steps: readonly Step[]): ScriptedService {
  const calls: Call[] = [];
  const service = layer<undefined, Scripted>(async (call) => {
    const step = steps[Math.min(calls.length, steps.length - 1)] as Step;
    calls.push(call);
    if (step instanceof Error) throw step;
    return typeof step === "function" ? step(call) : step;
  });
  return { calls, run: (call = newCall()) => service(call, undefined) };
}
