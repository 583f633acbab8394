import { randomTexts } from "./trace-context.ts";

/** The longest request id accepted from outside, in characters. */
const maxLength = 128;
const shape = /^[\w.:+/=@~-]+$/;

/** A new request id: 24 random hex digits. */
export const newRequestId: () => string = randomTexts("x".repeat(24));

/**
 * The request id to go on with: the one that came in when it is short and plain, else a new one. So nobody
 * writes line breaks or pages of text into other people's logs.
 */
export function acceptRequestId(header: string | null | undefined): string {
  return header !== null && header !== undefined && header.length <= maxLength && shape.test(header)
    ? header
    : newRequestId();
}
