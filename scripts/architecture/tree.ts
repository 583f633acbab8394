import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Import, importsOf } from "./imports.ts";
import { type Token, tokensOf } from "./lexer.ts";

/** One thing that is not as it should be. */
export interface Violation {
  /** Relative to the root of the tree. */
  readonly file: string;
  readonly line?: number;
  readonly rule: string;
  readonly message: string;
}

/** A source file of the tree. */
export interface Source {
  /** Relative to the root of the tree, with forward slashes. */
  readonly file: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

/** The tree that is checked. */
export interface Tree {
  readonly root: string;
  /** Every TypeScript file, by path, generated ones excepted. */
  readonly sources: ReadonlyMap<string, Source>;
  /** Every other text file. */
  readonly others: ReadonlyMap<string, string>;
}

const ignoredFolders = new Set(["node_modules", "dist", ".git", ".cache"]);
const textFile = /\.(md|json|yaml|yml|proto|capnp|sh|toml)$|(^|\/)(run|python-env|LICENSE|\.[a-z]+)$/;

/** Reads a tree from disk. */
export function readTree(root: string): Tree {
  const sources = new Map<string, Source>();
  const others = new Map<string, string>();
  for (const file of filesBelow(root, "")) {
    const isSource = file.endsWith(".ts") && !/(^|\/)gen\//.test(file);
    if (!isSource && !textFile.test(file)) continue;
    const text = readFileSync(join(root, file), "utf8");
    if (!isSource) others.set(file, text);
    else {
      const tokens = tokensOf(text);
      sources.set(file, { file, text, tokens, imports: importsOf(tokens) });
    }
  }
  return { root, sources, others };
}

/** Whether the tree has this file. */
export function hasFile(tree: Tree, file: string): boolean {
  return tree.sources.has(file) || existsSync(join(tree.root, file));
}

function* filesBelow(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !ignoredFolders.has(entry.name)) yield* filesBelow(root, path);
    else if (entry.isFile()) yield path;
  }
}
