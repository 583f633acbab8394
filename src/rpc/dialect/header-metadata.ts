import { connectionFields } from "../../core/headers.ts";
import type { Fields } from "../../http/http2/streams/stream.ts";

/** Header names that the protocol sets itself, so that metadata of the same name is not sent. */
const reserved: ReadonlySet<string> = new Set([
  ...connectionFields,
  "content-length",
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
  "grpc-status-details-bin",
  "grpc-timeout",
  "host",
]);

/** Whether the protocol itself sets this header. */
export function isReserved(name: string): boolean {
  return reserved.has(name);
}

/**
 * Adds one field of metadata to a header block that goes out.
 *
 * `Headers` joins what was appended under one name. Text may stay so; of binary values, some implementations decode
 * each field as a whole, so every value goes into a field of its own (no comma is part of base64).
 */
export function addField(fields: string[], name: string, value: string): void {
  if (!name.endsWith("-bin") || !value.includes(",")) fields.push(name, value);
  else for (const part of value.split(",")) fields.push(name, part.trim());
}

/** Adds metadata to a header block that goes out; fields of the protocol itself are left out. */
export function addMetadata(fields: string[], metadata: Headers): void {
  metadata.forEach((value, name) => {
    if (!reserved.has(name) || name === "grpc-accept-encoding") addField(fields, name, value);
  });
}

/** Adds the fields of a header block to `Headers`. */
export function fillHeaders(target: Headers, fields: Fields): void {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    if (name.charCodeAt(0) === 0x3a) continue;
    try {
      Headers.prototype.append.call(target, name, fields[at + 1]!);
    } catch {
      // A byte that HTTP/2 lets through and Headers refuses: drop the field, keep the call.
    }
  }
}

/** A header block as `Headers`. */
export function headersFromFields(fields: Fields): Headers {
  const headers = new Headers();
  fillHeaders(headers, fields);
  return headers;
}

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
