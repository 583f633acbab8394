import { Call, type CallInit } from "../../src/core/call.ts";
import { defaultClassifier, endWithError } from "../../src/core/classifier.ts";
import { type Outcome, ok, outcome } from "../../src/core/outcome.ts";
import type { AnyLayer } from "../../src/core/service.ts";

/** A response that carries its own outcome, so that a test can state what a protocol would have found. */
export interface Scripted {
  /** Undefined for a stream: the test ends the call itself. */
  readonly outcome: Outcome | undefined;
  readonly name: string;
}

/** An error that carries its own outcome. */
export class ScriptedError extends Error {
  readonly outcome: Outcome;

  constructor(message: string, stated: Outcome = outcome("retryable", "unavailable")) {
    super(message);
    this.outcome = stated;
  }
}

export const succeeds: Scripted = { outcome: ok, name: "good" };
export const streams: Scripted = { outcome: undefined, name: "stream" };

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

/** What one attempt does: respond, fail, or something of its own. */
export type Step = Scripted | Error | ((call: Call) => Promise<Scripted> | Scripted);

/** A service made of a script, and what reached it. */
export interface ScriptedService {
  /** The calls that got through, in order. */
  readonly calls: Call[];
  run(call?: Call): Promise<Scripted>;
}

/** What a transport does: states the outcome of the attempt, once. */
function respond(call: Call, response: Scripted): Scripted {
  if (response.outcome !== undefined) call.end(response.outcome);
  return response;
}

function fail(call: Call, error: unknown): never {
  const stated = error instanceof ScriptedError && !call.cancelled ? error.outcome : undefined;
  call.end(stated ?? defaultClassifier.error(call, error));
  throw error;
}

/**
 * A layer around a script that plays the transport: the steps in turn, the last one for ever. `calls` are those that
 * reached it; `run` plays whoever makes a call, and so sees to it that it ends. What responds at once does so through
 * every layer that can.
 */
export function scriptedService(layer: AnyLayer, ...steps: readonly Step[]): ScriptedService {
  const calls: Call[] = [];
  const service = layer<undefined, Scripted>((call) => {
    const step = steps[Math.min(calls.length, steps.length - 1)] as Step;
    calls.push(call);
    try {
      const response = typeof step === "function" ? step(call) : step;
      if (response instanceof Error) throw response;
      if (!(response instanceof Promise)) return respond(call, response);
      return response.then(
        (late) => respond(call, late),
        (error) => fail(call, error),
      );
    } catch (error) {
      return fail(call, error);
    }
  });
  return {
    calls,
    async run(call = newCall()) {
      try {
        return await service(call, undefined);
      } catch (error) {
        endWithError(call, error);
        throw error;
      }
    },
  };
}
