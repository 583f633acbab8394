/** What a numeric option may be. */
export interface NumberRange {
  /** Lowest value allowed. @default 0 */
  readonly min?: number;
  /** Whether `min` itself is refused. @default false */
  readonly above?: boolean;
  /** Highest value allowed; `Infinity` must be allowed in so many words. @default Number.MAX_VALUE */
  readonly max?: number;
  /** @default false */
  readonly integer?: boolean;
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

function remedy({ min = 0, above = false, max = Number.MAX_VALUE, integer = false }: NumberRange): string {
  const kind = integer ? "an integer" : "a number";
  const low = above ? `above ${min}` : `of at least ${min}`;
  if (max === Number.MAX_VALUE) return `${kind} ${low}`;
  if (max === Infinity) return `${kind} ${low}, or Infinity`;
  return above ? `${kind} above ${min} and at most ${max}` : `${kind} from ${min} to ${max}`;
}

/**
 * Returns a numeric option that is in range.
 *
 * Options are checked where they are given, not where they are used: a policy built with `NaN` would
 * otherwise compare false for ever and never say why.
 *
 * @param who - what is being made, as the reader writes it: `retry()`
 * @throws TypeError when the value is no number
 * @throws RangeError when it is `NaN` or out of range
 */
export function checkNumber(who: string, name: string, value: unknown, range: NumberRange = {}): number {
  const { min = 0, above = false, max = Number.MAX_VALUE, integer = false } = range;
  if (typeof value !== "number") {
    throw new TypeError(`Cannot make ${who}: ${name} is ${shown(value)}; pass ${remedy(range)}`);
  }
  const inside = (above ? value > min : value >= min) && value <= max;
  if (!inside || (integer && !Number.isInteger(value) && value !== Infinity)) {
    throw new RangeError(`Cannot make ${who}: ${name} is ${value}; pass ${remedy(range)}`);
  }
  return value;
}

/**
 * Returns an optional function option.
 *
 * @throws TypeError when it is there and no function
 */
export function checkFunction<F>(who: string, name: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== "function") {
    throw new TypeError(`Cannot make ${who}: ${name} is ${shown(value)}; pass a function or leave it out`);
  }
  return value;
}

/**
 * Refuses options that are no object, such as the number that another library takes in their place.
 *
 * @throws TypeError when they are not
 */
export function checkOptions(who: string, options: unknown): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`Cannot make ${who}: its options are ${shown(options)}; pass an object`);
  }
}
