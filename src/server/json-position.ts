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
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON forbids in strings
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

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
  const key = (): boolean => {
    skip(whitespace);
    return skip(string) && eat(":");
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
    } else if (!skip(string) && !skip(scalar)) return faultAt(text, at);
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
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { offset, line: before.split("\n").length, column: offset - lineStart + 1 };
}
