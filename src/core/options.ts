import { isThenable } from "./hooks.ts";

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

/** A value as error messages show it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return "an array";
  if (isThenable(value)) return "a promise";
  return value instanceof Map ? "a Map" : value instanceof Set ? "a Set" : "an object";
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

/** An option, or its default where it is left out; `null` is a value, and seldom one that makes sense. */
export function orDefault<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value;
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

/** @throws TypeError when it is no text, or there is nothing in it */
export function checkText(who: string, name: string, value: unknown): void {
  if (typeof value === "string" && value !== "") return;
  throw new TypeError(`Cannot make ${who}: ${name} is ${shown(value)}; pass text`);
}

/**
 * Returns an optional list of functions.
 *
 * @throws TypeError when it is there and no list, or holds something else
 */
export function checkFunctions<F>(
  who: string,
  name: string,
  list: readonly F[] | undefined,
): readonly F[] | undefined {
  if (list === undefined) return undefined;
  if (!Array.isArray(list)) {
    throw new TypeError(`Cannot make ${who}: ${name} is ${shown(list)}; put the function in brackets`);
  }
  list.forEach((each: unknown, index) => {
    if (typeof each !== "function") {
      throw new TypeError(`Cannot make ${who}: ${name}[${index}] is ${shown(each)}; pass functions only`);
    }
  });
  return list;
}

/**
 * Returns an optional option that is known by its methods: a clock, a signal, a call.
 *
 * @param remedy - what is passed instead, as the end of the error message
 * @throws TypeError when it is there and lacks one of them
 */
export function checkMethods<T>(
  who: string,
  name: string,
  value: T | undefined,
  methods: readonly (keyof T & string)[],
  remedy: string,
): T | undefined {
  if (value === undefined) return undefined;
  for (const method of methods) {
    if (typeof value === "object" && value !== null && typeof value[method] === "function") continue;
    throw new TypeError(`Cannot make ${who}: ${name} is ${shown(value)} without ${method}(); pass ${remedy}`);
  }
  return value;
}

/**
 * Refuses what is no object of options: lists, maps and promises have no keys, and would be taken for options that are all
 * left out.
 *
 * @throws TypeError when it is not one
 */
export function checkObject(who: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !(Symbol.iterator in value) && !isThenable(value))
    return;
  const remedy = isThenable(value) ? "await it" : "pass an object";
  throw new TypeError(`Cannot make ${who}: its options are ${shown(value)}; ${remedy}`);
}

/** Whether two options say the same: the same value, or objects with the same fields. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const entries = Object.entries(a);
  return (
    entries.length === Object.keys(b).length &&
    entries.every(([name, value]) => Object.hasOwn(b, name) && isSame(value, Reflect.get(b, name)))
  );
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

function suggestion(key: string, known: readonly string[]): string {
  const meant = nearestName(key, known);
  return meant === undefined ? `its options are ${known.join(", ")}` : `did you mean "${meant}"?`;
}

/**
 * The name that was meant by one that does not exist; undefined when none is near. A slip of the pen goes before a name that
 * is a part of the other, and that before what is somewhat alike.
 */
export function nearestName(key: string, known: readonly string[]): string | undefined {
  const given = key.toLowerCase();
  const distance = (name: string): number =>
    Math.min(distanceOf(given, name.toLowerCase()), distanceOf(given, name.replace(unit, "").toLowerCase()));
  const [nearest] = known
    .map((name) => ({ name, distance: distance(name) }))
    .sort((a, b) => a.distance - b.distance);
  if (nearest === undefined) return undefined;
  const short = key.length <= 4;
  if (nearest.distance <= (short ? 1 : 2)) return nearest.name;
  const longer = known.find((name) => name.toLowerCase().startsWith(given));
  const shorter = known.find((name) => given.endsWith(name.replace(unit, "").toLowerCase()));
  const alike = !short && nearest.distance <= Math.ceil(key.length * 0.4);
  return longer ?? shorter ?? (alike ? nearest.name : undefined);
}

/** How many letters must be put in, taken out, changed, or swapped with the next to make one word of the other. */
function distanceOf(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] as number) + 1 : Infinity;
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, change, swap));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
