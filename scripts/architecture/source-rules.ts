import { posix } from "node:path";
import { isMember } from "./imports.ts";
import { partOf, platformParts } from "./levels.ts";
import type { Token } from "./lexer.ts";
import type { Source, Tree, Violation } from "./tree.ts";

/** Files that may be longer than 300 lines, and why. */
const longFiles: Readonly<Record<string, string>> = {};
const maxLines = 300;

const platformGlobals = new Set(["Deno", "Bun", "process", "Buffer"]);
const clockedParts = new Set(["core", "policy", "balance", "security", "http"]);
const clockFiles = new Set(["src/core/clock.ts", "src/core/random.ts"]);
const timers = new Set(["setTimeout", "setInterval", "setImmediate"]);
const clockReads = new Set(["Date.now", "performance.now", "Math.random", "AbortSignal.timeout"]);

/** File size and file names. */
export function checkFiles(tree: Tree): Violation[] {
  const violations: Violation[] = [];
  for (const { file, text } of tree.sources.values()) {
    const lines = text.split("\n").length - 1;
    if (lines > maxLines && !(file in longFiles)) {
      const message = `${lines} lines, at most ${maxLines}: split it, or give the reason in scripts/architecture`;
      violations.push({ file, rule: "file-size", message });
    }
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.socket)?(\.(test|d))?\.ts$/.test(posix.basename(file))) {
      violations.push({ file, rule: "file-name", message: "file names are kebab-case" });
    }
  }
  for (const file of Object.keys(longFiles)) {
    const lines = tree.sources.get(file)?.text.split("\n").length ?? 0;
    if (lines > 0 && lines <= maxLines) {
      violations.push({
        file,
        rule: "file-size",
        message: "no longer long: take it off the list of long files",
      });
    }
  }
  return violations;
}

/** Platform globals outside `src/net` and `src/runtime`, and time or chance taken past the clock. */
export function checkGlobals(tree: Tree): Violation[] {
  const violations: Violation[] = [];
  for (const source of tree.sources.values()) {
    const part = partOf(source.file)?.name;
    if (part === undefined) continue;
    if (!platformParts.has(part)) violations.push(...platformGlobalsIn(source));
    if (clockedParts.has(part) && !clockFiles.has(source.file)) violations.push(...clockReadsIn(source));
  }
  return violations;
}

/** Promises that nobody waits for, which the linter takes for handled, need a reason why they may be left alone. */
export function checkVoided(tree: Tree): Violation[] {
  const violations: Violation[] = [];
  for (const { file, text, tokens } of tree.sources.values()) {
    if (partOf(file) === undefined) continue;
    const lines = text.split("\n");
    for (const [index, { kind, text: word, line }] of tokens.entries()) {
      const next = tokens[index + 1];
      // Nothing but an operand begins with a word: as a type, `void` is followed by punctuation.
      if (kind !== "word" || word !== "void" || (next?.kind !== "word" && next?.text !== "(")) continue;
      if (/^\s*(?:\/\/|\*|\/\*)/.test(lines[line - 2] ?? "")) continue;
      const message = "a promise is dropped with void: say in a comment above why it cannot reject";
      violations.push({ file, line, rule: "voided-promise", message });
    }
  }
  return violations;
}

function* platformGlobalsIn({ file, tokens }: Source): Generator<Violation> {
  for (const [index, { kind, text, line }] of tokens.entries()) {
    if (kind !== "word" || !platformGlobals.has(text) || !namesGlobal(tokens, index)) continue;
    if (tokens[index + 1]?.text === "(") continue; // A method of that name: none of them is a function.
    yield {
      file,
      line,
      rule: "platform-global",
      message: `${text} may only be used in src/net and src/runtime`,
    };
  }
}

/** Calls only: a clock given by default, as `now = Date.now`, can be replaced. */
function* clockReadsIn({ file, tokens }: Source): Generator<Violation> {
  const rule = "clock";
  for (const [index, { kind, text, line }] of tokens.entries()) {
    if (kind !== "word" || !namesGlobal(tokens, index)) continue;
    const name = clockReadAt(tokens, index, text);
    if (name) yield { file, line, rule, message: `${name} bypasses the injected clock and random source` };
  }
}

function clockReadAt(tokens: readonly Token[], index: number, text: string): string | undefined {
  const [next, member, call] = tokens.slice(index + 1, index + 4).map((token) => token.text);
  if (timers.has(text) && next === "(") return text;
  if (next === "." && call === "(" && clockReads.has(`${text}.${member}`)) return `${text}.${member}`;
  const isNewDate = text === "Date" && tokens[index - 1]?.text === "new";
  return isNewDate && (next !== "(" || member === ")") ? "new Date()" : undefined;
}

/** Whether a word stands for the global of that name: no member of another object, no key of a literal or type. */
function namesGlobal(tokens: readonly Token[], index: number): boolean {
  if (isMember(tokens, index)) return tokens[index - 2]?.text === "globalThis";
  const [next, afterNext] = [tokens[index + 1]?.text, tokens[index + 2]?.text];
  const hasColon = next === ":" || (next === "?" && afterNext === ":");
  return !(hasColon && ["{", ",", ";", "readonly"].includes(tokens[index - 1]?.text ?? ""));
}
