/** A piece of TypeScript source; comments and white space are left out. */
export interface Token {
  readonly kind: "word" | "string" | "template" | "number" | "regex" | "sign";
  /** The text of the token; of a string, what is between the quotes. */
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

const patterns: readonly (readonly [Token["kind"] | "blank", RegExp])[] = [
  ["blank", /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y],
  ["word", /[\p{ID_Start}$_#][\p{ID_Continue}$]*/uy],
  ["string", /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y],
  ["number", /\d[\w.]*/y],
];
const regex = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const templatePart = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)/y;
const sign = /\?\.|\.\.\.|=>|[\s\S]/y;
const wordsBeforeRegex = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "await",
  "yield",
  "delete",
  "void",
]);

/** Splits source text into tokens: exact enough to find imports and names, without a parser's weight. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  const braces: ("block" | "template")[] = [];
  let position = source.startsWith("#!") ? source.indexOf("\n") : 0;
  let line = 1;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    const text = pattern.exec(source)?.[0];
    if (text === undefined) return undefined;
    position += text.length;
    return text;
  };
  const add = (kind: Token["kind"], text: string, length = text): void => {
    tokens.push({ kind, text, line });
    line += newlines(length);
  };
  const takeTemplate = (): void => {
    const text = take(templatePart);
    if (text === undefined)
      throw new SyntaxError(`Cannot read the source: the template at line ${line} has no end`);
    if (text.endsWith("${")) braces.push("template");
    add("template", text);
  };
  next: while (position < source.length) {
    for (const [kind, pattern] of patterns) {
      const text = take(pattern);
      if (text === undefined) continue;
      if (kind === "blank") line += newlines(text);
      else if (kind === "string") add(kind, text.slice(1, -1), text);
      else add(kind, text);
      continue next;
    }
    if (source[position] === "/" && regexMayFollow(tokens.at(-1))) {
      const text = take(regex);
      if (text !== undefined) {
        add("regex", text);
        continue;
      }
    }
    const text = take(sign) ?? "";
    if (text === "{") braces.push("block");
    if (text === "`" || (text === "}" && braces.pop() === "template")) takeTemplate();
    else add("sign", text);
  }
  return tokens;
}

function regexMayFollow(previous: Token | undefined): boolean {
  if (!previous) return true;
  if (previous.kind === "word") return wordsBeforeRegex.has(previous.text);
  return previous.kind === "sign" && ![")", "]", "}"].includes(previous.text);
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
