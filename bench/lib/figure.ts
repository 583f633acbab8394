/** One line of the report: a ratio against what it is to beat. */
export interface Figure {
  /** What is divided by what, and where. */
  readonly name: string;
  /** The bound, and on which side of it the good is. */
  readonly target: { readonly atLeast: number } | { readonly atMost: number } | undefined;
  /** @default "×" */
  readonly unit?: string;
  measure(): Promise<number>;
}

/** One measured figure. */
export interface Measured {
  readonly name: string;
  readonly ratio: number;
  readonly target: string;
  readonly met: boolean | undefined;
}

/** The middle of the values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/**
 * A ÷ B, measured in turn (A B A B …) because the machine's speed drifts; the median of the pairs' ratios.
 * One pair more runs first and is thrown away, to warm both up.
 */
export async function paired(
  a: () => Promise<number>,
  b: () => Promise<number>,
  rounds: number,
): Promise<{ readonly ratio: number; readonly a: number; readonly b: number }> {
  const as: number[] = [];
  const bs: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const one = await a();
    const other = await b();
    if (round === 0) continue;
    as.push(one);
    bs.push(other);
  }
  return { ratio: median(as.map((one, i) => one / (bs[i] ?? Number.NaN))), a: median(as), b: median(bs) };
}

/** Measures a figure and compares it with its target. */
export async function judge(figure: Figure): Promise<Measured> {
  const ratio = await figure.measure();
  const { target } = figure;
  if (target === undefined) return { name: figure.name, ratio, target: "", met: undefined };
  const met = "atLeast" in target ? ratio >= target.atLeast : ratio <= target.atMost;
  const bound = "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  return { name: figure.name, ratio, target: bound, met };
}
