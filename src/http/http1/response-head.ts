import { connectionFields, notFieldText } from "../../core/headers.ts";
import { reasonPhrases } from "../../core/reason-phrases.ts";

/** Field names with their values; several values are several lines. */
export type ResponseFields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

const ascii = /^[\t\x20-\x7e]*$/;

const encoder = new TextEncoder();

/** Text of one byte a character as these bytes. */
function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** The head of a response, before the connection adds its own fields. */
export class ResponseHead {
  #text: string;
  #ascii = true;

  /** @throws TypeError for a reason phrase or a field that no head may hold */
  constructor(status: number, reason: string, fields: ResponseFields) {
    this.#check("The reason phrase", reason);
    this.#text = `HTTP/1.1 ${status} ${reason === "" ? (reasonPhrases[status] ?? "") : reason}\r\n`;
    for (const name in fields) {
      const value = fields[name];
      if (value === undefined || connectionFields.has(name)) continue;
      if (typeof value === "object") for (const each of value) this.#add(name, each);
      else this.#add(name, typeof value === "string" ? value : String(value));
    }
  }

  #check(what: string, value: string): void {
    if (ascii.test(value)) return;
    if (notFieldText.test(value)) {
      throw new TypeError(`Cannot send the response: ${what} holds a character that no header may`);
    }
    this.#ascii = false;
  }

  #add(name: string, value: string): void {
    this.#check(name, value);
    this.#text += `${name}: ${value}\r\n`;
  }

  /** Adds lines that are known to be right, each with its end. */
  addLines(lines: string): void {
    this.#text += lines;
  }

  /** The whole head, with the empty line at its end and text or bytes behind it, as what a transport takes. */
  with(payload: string | Uint8Array | undefined): readonly (string | Uint8Array)[] {
    const text = `${this.#text}\r\n`;
    if (!this.#ascii) {
      const head = latin1(text);
      if (payload === undefined) return [head];
      return [head, typeof payload === "string" ? encoder.encode(payload) : payload];
    }
    if (payload === undefined) return [text];
    return typeof payload === "string" ? [text + payload] : [text, payload];
  }
}

/** The whole response to what cannot be taken; the connection ends behind it. */
export function refusalWith(status: number, dateLine: string): readonly (string | Uint8Array)[] {
  const head = new ResponseHead(status, "", { "content-length": 0 });
  head.addLines(`${dateLine}connection: close\r\n`);
  return head.with(undefined);
}

let lastSecond = 0;
let lastLine = "";

/** The `Date` line, made once a second. */
export function dateLineOf(wallMs: number): string {
  const second = Math.floor(wallMs / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastLine = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return lastLine;
}
