import { isFieldName } from "../frame/field-syntax.ts";
import { staticLength, staticNames, staticValues } from "./hpack-static-table.ts";

/**
 * What the encoder does with a field that no table holds.
 *
 * - `index`: it comes again, so the table takes it.
 * - `repeat`: the table takes it when the same value comes twice in a row. A client's own token does; the tokens
 *   that a gateway passes on do not, and would drive out everything else.
 * - `literal`: its value is new on every call; the table takes one entry, for its name.
 */
export type Indexing = "index" | "repeat" | "literal";

/** Names whose values differ from call to call. */
const literal: readonly string[] = [
  "age",
  "content-length",
  "grpc-timeout",
  "traceparent",
  "tracestate",
  "x-request-id",
];

/** Names whose values are long or change every now and then. */
const repeat: readonly string[] = [
  "authorization",
  "cookie",
  "date",
  "etag",
  "expires",
  "last-modified",
  "proxy-authorization",
  "set-cookie",
];

/** Longer values are treated as `repeat`, whatever their name. */
const longValue = 256;
/** Longer values are never put into the table: they would leave room for nothing else. */
const longestValue = 1024;

/** Fields that hold secrets. */
const secret: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization", "set-cookie"]);
/**
 * Shorter secrets are never indexed. An attacker who can add fields of his own to a connection can guess what its table
 * holds by the size of the blocks, one whole value at a time (RFC 7541, 7.1): possible for a short value, and
 * hopeless for a token. So tokens are indexed, and a call does not carry 600 bytes that the peer knows already.
 */
const shortSecret = 20;

/** What an encoder knows of one name. */
export class NameEntry {
  readonly name: string;
  readonly indexing: Indexing;
  readonly secret: boolean;
  /** Whether HTTP/2 allows the name. */
  readonly valid: boolean;
  /** The index of the name in the static table, 0 without one. */
  readonly staticIndex: number;
  /**
   * Where its values are: below 0 the static table's index, above 0 the number of the dynamic table's entry.
   * Undefined while a table holds but one, which is then the last.
   */
  places: Map<string, number> | undefined = undefined;
  /** The number of the newest entry of the dynamic table, 0 without one. */
  newest = 0;
  /** The value seen last that a table holds, and where: steady values are found without hashing them. */
  lastValue: string | undefined = undefined;
  lastPlace = 0;
  /** The last value of a `repeat` that was sent as a literal. */
  sent: string | undefined = undefined;

  constructor(name: string) {
    this.name = name;
    this.indexing = literal.includes(name) ? "literal" : repeat.includes(name) ? "repeat" : "index";
    this.secret = secret.has(name);
    this.valid = isFieldName(name);
    this.staticIndex = Math.max(0, staticNames.indexOf(name, 1));
    for (let index = this.staticIndex; index > 0 && staticNames[index] === name; index++) {
      if (staticValues[index] === "") continue;
      this.places ??= new Map();
      this.places.set(staticValues[index]!, -index);
    }
  }

  /** Where a table holds a value, 0 when none does. */
  placeOf(value: string): number {
    if (this.lastValue === value) return this.lastPlace;
    const place = this.places?.get(value) ?? 0;
    if (place !== 0) this.#last(value, place);
    return place;
  }

  /** The dynamic table holds the value now. */
  enter(value: string, place: number): void {
    if (this.places === undefined && this.lastValue !== undefined) {
      this.places = new Map([[this.lastValue, this.lastPlace]]);
    }
    this.places?.set(value, place);
    this.#last(value, place);
    this.newest = place;
  }

  /** The dynamic table does not hold the value any more. */
  leave(value: string, place: number): void {
    this.places?.delete(value);
    if (this.lastPlace === place) this.#last(undefined, 0);
    if (this.newest === place) this.newest = 0;
  }

  #last(value: string | undefined, place: number): void {
    this.lastValue = value;
    this.lastPlace = place;
  }

  /** Whether the encoder keeps it when none of its values is in the dynamic table. */
  get lasting(): boolean {
    return this.staticIndex > 0 || this.indexing === "literal";
  }

  /** The value may not be stored by anybody on the way. */
  mustHide(value: string): boolean {
    return this.secret && value.length < shortSecret;
  }

  /** Whether the dynamic table takes a value that it does not hold yet. */
  wants(value: string): boolean {
    if (value.length > longestValue) return false;
    if (this.indexing === "literal")
      return this.staticIndex === 0 && this.newest === 0 && value.length < longValue;
    if (this.indexing === "index" && value.length <= longValue) {
      return this.name !== ":path" || !value.includes("?");
    }
    const again = this.sent === value;
    this.sent = again ? undefined : value;
    return again;
  }
}

/** The index of a field's place, when so many entries were ever put into the dynamic table. */
export function indexOfPlace(place: number, inserted: number): number {
  return place < 0 ? -place : staticLength + 1 + inserted - place;
}
