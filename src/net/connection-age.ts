import { systemRandom } from "../core/random.ts";

/** The part of the age that is left to chance, so that connections which were opened together are not replaced together. */
const spread = 0.1;

/** When a connection that opens now is given its last request, on the clock's time; `Infinity` for never. */
export function retirementFrom(now: number, maxConnectionAgeMs: number | undefined): number {
  if (maxConnectionAgeMs === undefined) return Infinity;
  return now + maxConnectionAgeMs * (1 - spread * systemRandom());
}
