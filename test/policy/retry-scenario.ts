import { type RetryOptions, retry } from "../../src/policy/retry.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { type ScriptedService, type Step, scriptedService } from "./scenario.ts";

/** What {@link retryScenario} sets up. */
export interface RetryScenario extends ScriptedService {
  readonly clock: VirtualClock;
  /** When each attempt came, in milliseconds from the start. */
  readonly times: readonly number[];
}

/** A retry on a virtual clock whose waits are the upper bounds of the jitter, and a script behind it. */
export function retryScenario(options: RetryOptions, ...steps: readonly Step[]): RetryScenario {
  const clock = new VirtualClock();
  const start = clock.now();
  const layer = retry({ clock, random: () => 1, ...options });
  const service = scriptedService(layer, ...steps.map(timed));
  const times: number[] = [];
  function timed(step: Step): Step {
    return (call) => {
      times.push(clock.now() - start);
      if (step instanceof Error) throw step;
      return typeof step === "function" ? step(call) : step;
    };
  }
  return { ...service, clock, times, run: (call) => clock.run(service.run(call)) };
}
