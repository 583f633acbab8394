import type { Token } from "./lexer.ts";

/** One import or re-export, of types too. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import type` and `export type`: nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

/** Finds every module that the source names: static, dynamic, re-exported, and in types. */
export function importsOf(tokens: readonly Token[]): Import[] {
  const imports: Import[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "word" || isMember(tokens, index)) continue;
    const found =
      token.text === "import" ? importAt(tokens, index) : token.text === "export" && exportAt(tokens, index);
    const typeOnly = tokens[index + 1]?.text === "type" && tokens[index + 2]?.text !== "from";
    if (found) imports.push({ specifier: found.text, line: found.line, typeOnly });
  }
  return imports;
}

/** Whether the word at `index` is the name of a member: `x.import`, `x?.process`. */
export function isMember(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1]?.text;
  return before === "." || before === "?.";
}

function importAt(tokens: readonly Token[], index: number): Token | undefined {
  const next = tokens[index + 1];
  if (next?.kind === "string") return next;
  if (next?.text === "(") return tokens[index + 2]?.kind === "string" ? tokens[index + 2] : undefined;
  return next?.text === "." ? undefined : afterFrom(tokens, index + 1);
}

function exportAt(tokens: readonly Token[], index: number): Token | undefined {
  const start = tokens[index + 1]?.text === "type" ? index + 2 : index + 1;
  return ["{", "*"].includes(tokens[start]?.text ?? "") ? afterFrom(tokens, start) : undefined;
}

/** The string after `from`, if the clause that begins here has one. */
function afterFrom(tokens: readonly Token[], start: number): Token | undefined {
  for (let index = start; index < tokens.length; index++) {
    const token = tokens[index];
    if (token?.text === "from" && tokens[index + 1]?.kind === "string") return tokens[index + 1];
    const belongs =
      token?.kind === "word" || token?.kind === "string" || ["{", "}", ",", "*"].includes(token?.text ?? "");
    if (!belongs) return undefined;
  }
  return undefined;
}
