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
 * Refuses what is no object.
 *
 * @throws TypeError when it is not one
 */
export function checkObject(who: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Cannot make ${who}: its options are ${shown(value)}; pass an object`);
  }
}

/** The keys of some options; its type makes sure that none is missing and none is made up. */
export type OptionKeys<T> = Readonly<Record<keyof T & string, true>>;

/**
 * Refuses options that are no object, such as the number that another library takes in their place, and keys that do not
 * exist: a misspelt option would otherwise do nothing, and nobody would be told.
 *
 * @param known - the keys that exist
 * @param otherNames - what options are called elsewhere, with their names here
 * @throws TypeError that names the key, and the nearest one that exists
 */
export function checkOptions<T extends object>(
  who: string,
  options: T,
  known: OptionKeys<T>,
  otherNames: Readonly<Record<string, string>> = {},
): void {
  checkObject(who, options);
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(known, key)) continue;
    const remedy = Object.hasOwn(otherNames, key)
      ? `did you mean "${otherNames[key]}"?`
      : suggestion(key, Object.keys(known));
    throw new TypeError(`Cannot make ${who}: it has no option "${key}"; ${remedy}`);
  }
}

/**
 * Returns an optional option that is one of some words, true and false among them.
 *
 * @throws TypeError when it is there and something else
 */
export function checkWord<W extends string | boolean>(
  who: string,
  name: string,
  value: W | undefined,
  words: readonly W[],
): W | undefined {
  if (value === undefined || words.includes(value)) return value;
  const listed = words.map((word) => JSON.stringify(word));
  const remedy = `${listed.slice(0, -1).join(", ")} or ${listed.at(-1)}`;
  throw new TypeError(`Cannot make ${who}: ${name} is ${shown(value)}; pass ${remedy}`);
}

/**
 * Returns an optional option that is true or false.
 *
 * @throws TypeError when it is there and something else
 */
export function checkBoolean(who: string, name: string, value: boolean | undefined): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new TypeError(`Cannot make ${who}: ${name} is ${shown(value)}; pass true or false`);
}

/** What the unit at the end of a name says is easily left out. */
const unit = /(?:Ms|Bytes|Seconds)$/;

/** The known name that was most likely meant; undefined where none is near. */
export function nearestName(key: string, known: readonly string[]): string | undefined {
  const given = key.toLowerCase();
  const distance = (name: string): number =>
    Math.min(distanceOf(given, name.toLowerCase()), distanceOf(given, name.replace(unit, "").toLowerCase()));
  const [nearest] = known
    .map((name) => ({ name, distance: distance(name) }))
    .sort((a, b) => a.distance - b.distance);
  const near = nearest !== undefined && nearest.distance <= Math.max(2, Math.ceil(key.length * 0.4));
  return near ? nearest.name : known.find((name) => name.startsWith(key));
}

function suggestion(key: string, known: readonly string[]): string {
  const meant = nearestName(key, known);
  return meant === undefined ? `its options are ${known.join(", ")}` : `did you mean "${meant}"?`;
}

/** How many letters must be put in, taken out or changed to make one word of the other (Levenshtein's distance). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, change));
    }
    row = next;
  }
  return row[b.length] as number;
}
