import { type BalancedLayer, type BalancedOptions, balanced } from "../../src/balance/endpoint-layer.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { Discovery } from "../../src/discovery/discovery.ts";
import { staticDiscovery } from "../../src/discovery/static-discovery.ts";
import { type ScriptedService, type Step, scriptedService } from "../policy/scenario.ts";
import { seededRandom } from "../support/random.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

export const a = "http://127.0.0.1:1";
export const b = "http://127.0.0.1:2";
export const c = "http://127.0.0.1:3";

/** A discovery, and the strings it hangs on. */
export interface ChangingDiscovery {
  readonly discovery: Discovery;
  /** Makes the service run at these origins. */
  set(...origins: string[]): void;
  /** Makes the service unknown. */
  forget(): void;
}

/** A discovery that the test changes as it likes. */
export function changingDiscovery(...origins: string[]): ChangingDiscovery {
  let endpoints: readonly Endpoint[] | undefined;
  const set = (...next: string[]): void => {
    endpoints = next.map((origin) => ({ origin }));
  };
  set(...origins);
  const discovery: Discovery = { endpoints: () => endpoints };
  return {
    discovery,
    set,
    forget: () => {
      endpoints = undefined;
    },
  };
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
    discovery: staticDiscovery({ lake: [a, b] }),
    clock,
    random: seededRandom(1),
    ...options,
  });
  return { clock, layer, ...scriptedService(layer, ...steps) };
}
