import { connectionFields, notFieldText } from "../../core/headers.ts";
import { reasonPhrases } from "../../core/reason-phrases.ts";
import type { ResponseStart } from "../exchange.ts";

const ascii = /^[\t\x20-\x7e]*$/;

const encoder = new TextEncoder();

/** Text of one byte a character as these bytes. */
function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

const closeOption = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i;

/** The head of a response, before the connection adds its own fields. */
export class ResponseHead {
  #text: string;
  #ascii = true;
  /** Whether the fields state the length of the body. */
  hasLength = false;
  hasDate = false;
  /** Whether the handler wants the connection to end. */
  closes = false;

  /** @throws TypeError for a reason phrase or a field that no head may hold */
  constructor({ status, reason, fields }: ResponseStart) {
    this.#check("The reason phrase", reason);
    this.#text = `HTTP/1.1 ${status} ${reason === "" ? (reasonPhrases[status] ?? "") : reason}\r\n`;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      if (connectionFields.has(name)) {
        if (name === "connection" && closeOption.test(value)) this.closes = true;
        continue;
      }
      if (name === "content-length") this.hasLength = true;
      else if (name === "date") this.hasDate = true;
      this.#check(name, value);
      this.#text += `${name}: ${value}\r\n`;
    }
  }

  #check(what: string, value: string): void {
    if (ascii.test(value)) return;
    if (notFieldText.test(value)) {
      throw new TypeError(`Cannot send the response: ${what} holds a character that no header may`);
    }
    this.#ascii = false;
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
  const head = new ResponseHead({ status, reason: "", fields: ["content-length", "0"] });
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
