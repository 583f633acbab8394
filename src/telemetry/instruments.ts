import { GrowingNumbers, SeriesIndex, type SeriesIndexOptions } from "./series.ts";

/** One line of an exposition. */
interface Sample {
  readonly value: number;
  readonly labels: Record<string, string | number>;
  readonly metricName?: string;
}

/** What a prom-client `Registry` asks of a metric: the shape of its own `Counter`, `Gauge` and `Histogram`. */
export interface Collectable {
  /** Not readonly: an OpenMetrics registry cuts `_total` off. */
  name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly aggregator: "sum";
  get(): Promise<{
    readonly name: string;
    readonly help: string;
    readonly type: string;
    readonly aggregator: string;
    readonly values: readonly Sample[];
  }>;
  reset(): void;
}

/** Options of an instrument. */
export interface InstrumentOptions extends SeriesIndexOptions {
  readonly name: string;
  readonly help: string;
}

/** What the instruments share: a name, an index of label sets, and samples made when scraped. */
abstract class Instrument implements Collectable {
  name: string;
  readonly help: string;
  abstract readonly type: "counter" | "gauge" | "histogram";
  readonly aggregator = "sum";
  readonly index: SeriesIndex;

  constructor(options: InstrumentOptions) {
    this.name = options.name;
    this.help = options.help;
    this.index = new SeriesIndex(options);
  }

  async get(): ReturnType<Collectable["get"]> {
    const { name, help, type, aggregator } = this;
    return {
      name,
      help,
      type,
      aggregator,
      values: this.index.values.flatMap((_, slot) => this.samples(slot)),
    };
  }

  abstract reset(): void;
  protected abstract samples(slot: number): Sample[];
}

/** A number for each label set that only grows (counter) or that is set (gauge). */
export class NumberInstrument extends Instrument {
  readonly type: "counter" | "gauge";
  readonly numbers: GrowingNumbers = new GrowingNumbers();

  constructor(type: "counter" | "gauge", options: InstrumentOptions) {
    super(options);
    this.type = type;
  }

  reset(): void {
    this.index.clear();
    this.numbers.clear();
  }

  protected samples(slot: number): Sample[] {
    return [{ value: this.numbers.get(slot), labels: this.index.labels(slot) }];
  }
}

/** A gauge for each label set whose values are gathered anew when it is scraped. */
export class CollectedInstrument extends NumberInstrument {
  readonly #gather: (gauge: NumberInstrument) => void;

  constructor(options: InstrumentOptions, gather: (gauge: NumberInstrument) => void) {
    super("gauge", options);
    this.#gather = gather;
  }

  override get(): ReturnType<Collectable["get"]> {
    this.reset();
    this.#gather(this);
    return super.get();
  }
}

/** A gauge without labels that asks for its value when it is scraped. */
export class ReadInstrument extends Instrument {
  readonly type = "gauge";
  readonly #read: () => number;

  constructor(options: Pick<InstrumentOptions, "name" | "help">, read: () => number) {
    super({ ...options, labelNames: [], maxSeries: 1 });
    this.#read = read;
    this.index.values.push([]);
  }

  reset(): void {}

  protected samples(): Sample[] {
    return [{ value: this.#read(), labels: {} }];
  }
}

/** Durations of each label set, counted by buckets; counts are made cumulative when scraped. */
export class HistogramInstrument extends Instrument {
  readonly type = "histogram";
  readonly #bounds: readonly number[];
  readonly #counts: GrowingNumbers = new GrowingNumbers();
  readonly #sums: GrowingNumbers = new GrowingNumbers();

  constructor(options: InstrumentOptions & { readonly buckets: readonly number[] }) {
    super(options);
    this.#bounds = options.buckets;
  }

  observe(slot: number, value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts.add(slot * (bounds.length + 1) + bucket, 1);
    this.#sums.add(slot, value);
  }

  /** How many observations a slot has. */
  count(slot: number): number {
    const width = this.#bounds.length + 1;
    let total = 0;
    for (let bucket = 0; bucket < width; bucket++) total += this.#counts.get(slot * width + bucket);
    return total;
  }

  reset(): void {
    this.index.clear();
    this.#counts.clear();
    this.#sums.clear();
  }

  protected samples(slot: number): Sample[] {
    const labels = this.index.labels(slot);
    const width = this.#bounds.length + 1;
    const { name } = this;
    const samples: Sample[] = [];
    let total = 0;
    for (let bucket = 0; bucket < width; bucket++) {
      total += this.#counts.get(slot * width + bucket);
      const le = this.#bounds[bucket] ?? "+Inf";
      samples.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: total });
    }
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sums.get(slot) });
    samples.push({ metricName: `${name}_count`, labels, value: total });
    return samples;
  }
}

/** A counter that repeats how many observations a histogram has; nothing is counted twice for it. */
export class CountOfHistogram extends Instrument {
  readonly type = "counter";
  readonly #source: HistogramInstrument;

  constructor(options: Pick<InstrumentOptions, "name" | "help">, source: HistogramInstrument) {
    super({ ...options, labelNames: source.index.labelNames, maxSeries: 0 });
    this.#source = source;
  }

  override async get(): ReturnType<Collectable["get"]> {
    const { name, help, type, aggregator } = this;
    const index = this.#source.index;
    return { name, help, type, aggregator, values: index.values.flatMap((_, slot) => this.samples(slot)) };
  }

  reset(): void {
    this.#source.reset();
  }

  protected samples(slot: number): Sample[] {
    return [{ value: this.#source.count(slot), labels: this.#source.index.labels(slot) }];
  }
}
