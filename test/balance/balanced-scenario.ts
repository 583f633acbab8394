import { type BalancedLayer, type BalancedOptions, balanced } from "../../src/balance/endpoint-layer.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { type ScriptedService, type Step, scriptedService } from "../policy/scenario.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { seededRandom } from "../support/random.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

export const a = "http://127.0.0.1:1";
export const b = "http://127.0.0.1:2";
export const c = "http://127.0.0.1:3";

/** A resolver of `lake` that the test changes as it likes, at these origins for a start. */
export function changingResolver(...origins: string[]): ChangingResolver {
  return new ChangingResolver().set(...origins);
}

/** What {@link balancedScenario} sets up. */
export interface BalancedScenario extends ScriptedService {
  readonly clock: VirtualClock;
  readonly layer: BalancedLayer;
}

/** A balanced service `lake` on a virtual clock, with a script behind it. */
export function balancedScenario(
  options: Partial<BalancedOptions>,
  ...steps: readonly Step[]
): BalancedScenario {
  const clock = new VirtualClock();
  const layer = balanced({
    resolver: staticResolver({ lake: [a, b] }),
    clock,
    random: seededRandom(1),
    ...options,
  });
  return { clock, layer, ...scriptedService(layer, ...steps) };
}
