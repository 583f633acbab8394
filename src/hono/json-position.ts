/** Where a JSON text stops being one. */
export interface JsonFault {
  /** Characters before the fault. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
}

const whitespace = /[ \t\n\r]*/y;
const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Where a string that begins at `at` ends; -1 when it is none. Not a pattern: one for long strings exhausts the stack. */
function endOfString(text: string, at: number): number {
  if (text[at] !== '"') return -1;
  let next = at + 1;
  for (;;) {
    const code = text.charCodeAt(next);
    if (code === 0x22 /* " */) return next + 1;
    // Beyond the end it is NaN.
    if (!(code >= 0x20)) return -1;
    if (code !== 0x5c /* \ */) next++;
    else {
      escapeSequence.lastIndex = next;
      if (!escapeSequence.test(text)) return -1;
      next = escapeSequence.lastIndex;
    }
  }
}

/**
 * The place of the first fault in a text that `JSON.parse` refused; undefined when it is JSON after all.
 *
 * Engines name the place in different words, some not at all; this one is the same everywhere, and without
 * recursion, so that deeply nested input cannot exhaust the stack.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const open: ("{" | "[")[] = [];
  let at = 0;
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at += match[0].length;
    return match !== null;
  };
  const eat = (character: string): boolean => {
    skip(whitespace);
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const string = (): boolean => {
    const end = endOfString(text, at);
    if (end > 0) at = end;
    return end > 0;
  };
  const key = (): boolean => {
    skip(whitespace);
    return string() && eat(":");
  };
  for (;;) {
    // A value is due.
    if (eat("{")) {
      if (!eat("}")) {
        open.push("{");
        if (!key()) return faultAt(text, at);
        continue;
      }
    } else if (eat("[")) {
      if (!eat("]")) {
        open.push("[");
        continue;
      }
    } else if (!string() && !skip(scalar)) return faultAt(text, at);
    // A value is complete: close what it completes.
    for (;;) {
      const top = open.at(-1);
      if (top === undefined) {
        skip(whitespace);
        return at === text.length ? undefined : faultAt(text, at);
      }
      if (eat(",")) {
        if (top === "{" && !key()) return faultAt(text, at);
        break;
      }
      if (!eat(top === "{" ? "}" : "]")) return faultAt(text, at);
      open.pop();
    }
  }
}

function faultAt(text: string, offset: number): JsonFault {
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf("\n"); end >= 0 && end < offset; end = text.indexOf("\n", lineStart)) {
    line++;
    lineStart = end + 1;
  }
  return { offset, line, column: offset - lineStart + 1 };
}
