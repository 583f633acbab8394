/** Fields that HTTP/2 forbids (RFC 9113, section 8.2.2); `te` and `trailer` it does not. */
const forbiddenFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A token of RFC 9110 in lower case, or a pseudo-header. */
const namePattern = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** 1 for the bytes that no value may hold: controls other than the tab (RFC 9110, section 5.5). */
const forbidden: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  (byte < 0x20 && byte !== 0x09) || byte === 0x7f ? 1 : 0,
);

/** Whether a name may stand in a header block: a pseudo-header's or that of a field which HTTP/2 allows. */
export function isFieldName(name: string): boolean {
  return namePattern.test(name) && !forbiddenFields.has(name);
}

/** Whether a character code may stand in a value that goes out. */
export function isFieldCharacter(code: number): boolean {
  return forbidden[code] === 0;
}

/** Whether the bytes from `start` to `end` are a value: no control characters, no blank at either end. */
export function isFieldValue(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  if (isBlank(bytes[start]!) || isBlank(bytes[end - 1]!)) return false;
  let found = 0;
  for (let at = start; at < end; at++) found |= forbidden[bytes[at]!]!;
  return found === 0;
}

/** Whether a character is one of the two that values may hold, but neither begin nor end with. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
