/**
 * Writes the reference of all options from the types and their comments: `node scripts/reference.ts`, into
 * `docs/reference.md` unless told another file.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runProcess } from "./test/process.ts";

interface DocComment {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string; readonly value?: string; readonly doc?: string }[];
}

interface Location {
  readonly filename: string;
  readonly line: number;
}

interface Property {
  readonly name: string;
  readonly optional?: boolean;
  readonly jsDoc?: DocComment;
  readonly location: Location;
}

interface Declaration {
  readonly kind: string;
  readonly declarationKind: string;
  readonly location: Location;
  readonly jsDoc?: DocComment;
  readonly def?: {
    readonly properties?: readonly Property[];
  };
}

/** What `deno doc --json` tells, as far as it is read here. */
interface Documentation {
  readonly nodes: Readonly<
    Record<
      string,
      {
        readonly symbols: readonly { readonly name: string; readonly declarations: readonly Declaration[] }[];
      }
    >
  >;
}

const root = resolve(import.meta.dirname, "..");
const target = resolve(process.argv[2] ?? join(root, "docs/reference.md"));
const { exports }: { readonly exports: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);

/** Interfaces that users write objects of. */
const isOptions = /(?:Options|Policy|Defaults|Identity|Limit|Overrides|Rule|Hooks)$/;

async function documentation(): Promise<Documentation> {
  let json = "";
  const takeLine = (line: string): boolean => {
    json += line;
    return true;
  };
  const args = ["doc", "--json", "--quiet", ...Object.values(exports)];
  const { exitCode, output } = await runProcess(join(root, "node_modules/.bin/deno"), args, {
    cwd: root,
    timeoutMs: 120_000,
    takeLine,
  });
  if (exitCode !== 0) throw new Error(`Cannot write the reference: deno doc failed\n${output}`);
  return JSON.parse(json);
}

const sources = new Map<string, string[]>();

function linesOf(file: string): string[] {
  let lines = sources.get(file);
  if (lines === undefined) {
    lines = readFileSync(fileURLToPath(file), "utf8").split("\n");
    sources.set(file, lines);
  }
  return lines;
}

/** The type of a property as its source has it. */
function typeOf({ location, name }: Property): string {
  const text = linesOf(location.filename)
    .slice(location.line - 1)
    .join("\n");
  const start = text.indexOf(":", text.indexOf(name)) + 1;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at] as string;
    if ("({[".includes(char)) depth++;
    else if (")}]".includes(char)) depth--;
    else if (char === ";" && depth === 0) return text.slice(start, at).replace(/\s+/g, " ").trim();
  }
  throw new Error(`Cannot write the reference: the type of ${name} has no end (${location.filename})`);
}

interface Described {
  readonly text: string;
  readonly defaultValue: string;
}

function described(comment: DocComment | undefined): Described {
  const whole = [
    comment?.doc ?? "",
    ...(comment?.tags ?? []).map(({ value, doc }) => value ?? doc ?? ""),
  ].join("\n");
  const [text = "", given = ""] = whole.split(/@default\s+/, 2);
  const plain = (part: string): string =>
    part
      .split(/\n\s*@\w+/)[0]!
      .replace(/\{@link (\w+)[^}]*\}/g, "`$1`")
      .replace(/```[\s\S]*?```/g, "")
      .replace(/\s+/g, " ")
      .trim();
  return { text: plain(text), defaultValue: plain(given) };
}

const cell = (text: string): string => text.replaceAll("|", "\\|");
const code = (text: string): string => (text === "" ? "" : `\`${text}\``);

/** What the interface extends, as its source has it. */
function parentsOf(name: string, { filename, line }: Location): string {
  const text = linesOf(filename)
    .slice(line - 1)
    .join("\n");
  const head = text.slice(0, text.indexOf("{"));
  return (
    new RegExp(`interface ${name}\\b[^]*?\\bextends\\s+([^]*)`)
      .exec(head)?.[1]
      ?.replace(/\s+/g, " ")
      .trim() ?? ""
  );
}

function section(name: string, { jsDoc, def, location }: Declaration): string {
  const { text } = described(jsDoc);
  const parents = parentsOf(name, location);
  const rows = (def?.properties ?? []).map((property) => {
    const { text: what, defaultValue } = described(property.jsDoc);
    const value = property.optional === true ? defaultValue : defaultValue || "needed";
    return `| ${code(property.name)} | ${code(cell(typeOf(property)))} | ${cell(value)} | ${cell(what)} |`;
  });
  return [
    `## ${name}`,
    "",
    text,
    ...(parents === "" ? [] : ["", `Has the options of ${code(parents)} as well.`]),
    ...(rows.length === 0
      ? []
      : ["", "| option | type | default | what it is |", "|---|---|---|---|", ...rows]),
    "",
  ].join("\n");
}

const found = new Map<string, Declaration>();
for (const { symbols } of Object.values((await documentation()).nodes)) {
  for (const { name, declarations } of symbols) {
    const own = declarations.find(({ kind }) => kind === "interface");
    if (own !== undefined && isOptions.test(name)) found.set(name, own);
  }
}
const sections = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => section(name, each));
writeFileSync(
  target,
  `# Options

All options of the public interface, from their types; \`npm run generate\` writes this page. Times are in milliseconds, sizes in bytes.
Options that do not exist are refused where they are given, with the nearest name.

${sections.join("\n")}`,
);
