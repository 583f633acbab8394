/** Initial number of series; the arrays double from there. */
const initialCapacity = 16;

type Level = Map<string, Level | number>;

/** Options of {@link SeriesIndex}. */
export interface SeriesIndexOptions {
  readonly labelNames: readonly string[];
  /** How many label sets are told apart. */
  readonly maxSeries: number;
  /** The label that is given up first when there are more: its value becomes `other`. @default the first */
  readonly unbounded?: string;
}

/**
 * Gives every set of label values a small number, so that what is counted lives in flat arrays.
 *
 * The number of sets is bounded. Past the bound the label that grows (the operation) becomes `other`, and
 * should even those be too many (half as many again), all labels do: a scan of random paths costs a little
 * memory once, not without end.
 */
export class SeriesIndex {
  readonly labelNames: readonly string[];
  /** Label values by slot. */
  readonly values: (readonly string[])[] = [];
  readonly #root: Level = new Map();
  readonly #maxSeries: number;
  readonly #unbounded: number;

  constructor(options: SeriesIndexOptions) {
    this.labelNames = options.labelNames;
    this.#maxSeries = options.maxSeries;
    this.#unbounded = Math.max(options.labelNames.indexOf(options.unbounded ?? ""), 0);
  }

  /** The slot of a set of label values, in the order of `labelNames`; missing ones count as empty. */
  slot(a: string, b?: string, c?: string, d?: string): number {
    let node = this.#root.get(a);
    if (b !== undefined && node !== undefined) node = (node as Level).get(b);
    if (c !== undefined && node !== undefined) node = (node as Level).get(c);
    if (d !== undefined && node !== undefined) node = (node as Level).get(d);
    if (node !== undefined) return node as number;
    return this.#add([a, b, c, d].filter((value) => value !== undefined));
  }

  /** The labels of a slot as an object, as scrapers want them. */
  labels(slot: number): Record<string, string> {
    const values = this.values[slot]!;
    return Object.fromEntries(this.labelNames.map((name, index) => [name, values[index]!]));
  }

  clear(): void {
    this.#root.clear();
    this.values.length = 0;
  }

  #add(values: readonly string[]): number {
    if (this.values.length < this.#maxSeries) return this.#insert(values);
    const folded = values.map((value, index) => (index === this.#unbounded ? "other" : value));
    const known = this.#find(folded);
    if (known !== undefined) return known;
    if (this.values.length < this.#maxSeries * 1.5) return this.#insert(folded);
    const other = values.map(() => "other");
    return this.#find(other) ?? this.#insert(other);
  }

  #find(values: readonly string[]): number | undefined {
    let node: Level | number | undefined = this.#root;
    for (const value of values) node = (node as Level | undefined)?.get(value);
    return node as number | undefined;
  }

  #insert(values: readonly string[]): number {
    let level = this.#root;
    for (const value of values.slice(0, -1)) {
      let next = level.get(value) as Level | undefined;
      if (next === undefined) {
        next = new Map();
        level.set(value, next);
      }
      level = next;
    }
    const slot = this.values.length;
    level.set(values.at(-1)!, slot);
    this.values.push(values);
    return slot;
  }
}

/** A `Float64Array` that grows; reading beyond its end is the caller's mistake. */
export class GrowingNumbers {
  data: Float64Array = new Float64Array(initialCapacity);

  /** Adds to one cell; makes room when it has to. */
  add(index: number, amount: number): void {
    if (index >= this.data.length) this.#grow(index);
    this.data[index]! += amount;
  }

  set(index: number, value: number): void {
    if (index >= this.data.length) this.#grow(index);
    this.data[index] = value;
  }

  get(index: number): number {
    return index < this.data.length ? this.data[index]! : 0;
  }

  clear(): void {
    this.data = new Float64Array(initialCapacity);
  }

  #grow(index: number): void {
    let length = this.data.length;
    while (length <= index) length *= 2;
    const grown = new Float64Array(length);
    grown.set(this.data);
    this.data = grown;
  }
}
