import { type MethodKey, methodKeyFrom, rpcName } from "./method-key.ts";

interface Entry<T> {
  readonly key: MethodKey;
  readonly value: T;
}

/** What holds for some methods of a service; of the keys that fit a call, the most specific one wins. */
export class MethodTable<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /** Keys of REST as they were written, which a call may have for its operation. */
  readonly #written = new Map<string, string>();
  /** By HTTP method, the most specific first. */
  readonly #patterns = new Map<string, Entry<T>[]>();

  get empty(): boolean {
    return this.#entries.size === 0;
  }

  /** Adds an entry, made of the one that was there under the same key. */
  add(written: string, make: (before: T | undefined) => T): void {
    const key = methodKeyFrom("methods", written);
    const before = this.#entries.get(key.same);
    const entry = { key, value: make(before?.value) };
    this.#entries.set(key.same, entry);
    if (key.method === undefined) return;
    this.#written.set(written, key.same);
    const others = (this.#patterns.get(key.method) ?? []).filter((other) => other !== before);
    this.#patterns.set(
      key.method,
      [...others, entry].sort((a, b) => (a.key.rank < b.key.rank ? -1 : a.key.rank > b.key.rank ? 1 : 0)),
    );
  }

  /** @param operation - `package.Service/Method` */
  rpc(operation: string): T | undefined {
    const entries = this.#entries;
    const exact = entries.get(operation);
    if (exact !== undefined) return exact.value;
    const slash = operation.indexOf("/");
    const byName = entries.get(rpcName(operation.slice(slash + 1)));
    return (byName ?? entries.get(`${operation.slice(0, slash)}/*`))?.value;
  }

  /** @param operation - what the caller calls it, if it does: the route pattern for example */
  rest(method: string, target: string, operation: string | undefined): T | undefined {
    const same = operation === undefined ? undefined : this.#written.get(operation);
    if (same !== undefined) return this.#entries.get(same)?.value;
    const patterns = this.#patterns.get(method);
    if (patterns === undefined) return undefined;
    const query = target.indexOf("?");
    const path = query === -1 ? target : target.slice(0, query);
    return patterns.find(({ key }) => key.fits(path))?.value;
  }
}
