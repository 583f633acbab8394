import type { Fields } from "../../http/http2/streams/stream.ts";
import { fillHeaders, headersFromFields } from "./header-metadata.ts";

/** `Headers` whose fields may be stated later. */
export type LateHeaders = Headers & {
  /** States the fields, which may arrive after the object was handed out: trailers do. */
  arrive(fields: Fields): void;
};

type LateHeadersClass = new (fields?: Fields) => LateHeaders;

/**
 * Makes the class of `Headers` that are filled from the runtime's own object at the first look; undefined where a runtime
 * copies natively, past the methods, so that `new Headers(lazy)` would see nothing.
 *
 * Most callers never look at the headers of a response, and filling them costs more than the rest of a
 * small call's parsing. Every method fills first; afterwards it is an ordinary `Headers`. The class is made when it is
 * first used: merely to name `Headers` makes Node load its whole `fetch`.
 */
function defineLazyHeaders(): LateHeadersClass | undefined {
  class LazyHeaders extends Headers {
    #fields: Fields | undefined;
    #filled = false;

    constructor(fields?: Fields) {
      super();
      this.#fields = fields;
    }

    /** States the fields later, for trailers, which arrive after the object was handed out. */
    arrive(fields: Fields): void {
      if (this.#filled) fillHeaders(this, fields);
      else this.#fields = fields;
    }

    #fill(): void {
      if (this.#filled) return;
      this.#filled = true;
      const fields = this.#fields;
      this.#fields = undefined;
      if (fields !== undefined) fillHeaders(this, fields);
    }

    override append(name: string, value: string): void {
      this.#fill();
      super.append(name, value);
    }

    override delete(name: string): void {
      this.#fill();
      super.delete(name);
    }

    override get(name: string): string | null {
      this.#fill();
      return super.get(name);
    }

    override getSetCookie(): string[] {
      this.#fill();
      return super.getSetCookie();
    }

    override has(name: string): boolean {
      this.#fill();
      return super.has(name);
    }

    override set(name: string, value: string): void {
      this.#fill();
      super.set(name, value);
    }

    override forEach(
      callback: (value: string, key: string, parent: Headers) => void,
      thisArg?: unknown,
    ): void {
      this.#fill();
      super.forEach(callback, thisArg);
    }

    override entries(): ReturnType<Headers["entries"]> {
      this.#fill();
      return super.entries();
    }

    override keys(): ReturnType<Headers["keys"]> {
      this.#fill();
      return super.keys();
    }

    override values(): ReturnType<Headers["values"]> {
      this.#fill();
      return super.values();
    }

    override [Symbol.iterator](): ReturnType<Headers["entries"]> {
      this.#fill();
      return super[Symbol.iterator]();
    }
  }

  return new Headers(new LazyHeaders(["probe", "1"])).get("probe") === "1" ? LazyHeaders : undefined;
}

let defined: { readonly lazy: LateHeadersClass | undefined } | undefined;

function lazyHeaders(): LateHeadersClass | undefined {
  defined ??= { lazy: defineLazyHeaders() };
  return defined.lazy;
}

/** Headers of a response: filled at the first look where the runtime allows, else at once. */
export function headersOf(fields: Fields): Headers {
  const Lazy = lazyHeaders();
  return Lazy === undefined ? headersFromFields(fields) : new Lazy(fields);
}

/** Trailers that will arrive after the response was handed out. */
export function pendingTrailers(): LateHeaders {
  const Lazy = lazyHeaders();
  if (Lazy !== undefined) return new Lazy();
  const headers = new Headers();
  return Object.assign(headers, { arrive: (fields: Fields) => fillHeaders(headers, fields) });
}
