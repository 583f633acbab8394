/** Where the fields of a call's context are written. */
export interface MetadataSink {
  /** Names are lower-case; a field that is there already is replaced. */
  set(name: string, value: string): void;
}

/**
 * The request metadata of one attempt: name and value in turn, in one array. The platform's `Headers` check and
 * sort every field, and that for each attempt costs more than the rest of the pipeline.
 *
 * It goes wherever a `HeadersInit` does, as the iterable of pairs that the standard allows.
 */
export class Metadata implements MetadataSink, Iterable<[string, string]> {
  readonly #fields: string[] = [];

  /** @param init - what the caller set; it is checked and brought into form as `Headers` do it */
  constructor(init?: HeadersInit) {
    if (init === undefined) return;
    const headers = init instanceof Headers ? init : new Headers(init);
    headers.forEach((value, name) => {
      this.#fields.push(name, value);
    });
  }

  set(name: string, value: string): void {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at] === name) {
        fields[at + 1] = value;
        return;
      }
    }
    fields.push(name, value);
  }

  /** Calls `visit` for each field, as `Headers` do. */
  forEach(visit: (value: string, name: string) => void): void {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2) visit(fields[at + 1] as string, fields[at] as string);
  }

  *[Symbol.iterator](): Generator<[string, string]> {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2) yield [fields[at] as string, fields[at + 1] as string];
  }
}
