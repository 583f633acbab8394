import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runProcess } from "../../scripts/test/process.ts";

interface DocComment {
  readonly doc?: string;
}

/** What `deno doc --json` tells, as far as it is read here. */
interface Documentation {
  readonly nodes: Readonly<Record<string, EntryDocumentation>>;
}

interface EntryDocumentation {
  readonly module_doc?: DocComment;
  readonly symbols: readonly {
    readonly name: string;
    readonly declarations: readonly {
      readonly location: { readonly filename: string; readonly line: number };
      readonly declarationKind: string;
      /** `reference` for a symbol of another entry, which documents it. */
      readonly kind: string;
      readonly jsDoc?: DocComment;
    }[];
  }[];
}

const root = resolve(import.meta.dirname, "../..");
const { exports }: { readonly exports: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);

describe("the public interface", () => {
  let documentation: Documentation;

  before(async () => {
    let json = "";
    const takeLine = (line: string): boolean => {
      json += line;
      return true;
    };
    const args = ["doc", "--json", "--quiet", ...Object.values(exports)];
    const deno = join(root, "node_modules/.bin/deno");
    await runProcess(deno, args, { cwd: root, timeoutMs: 60_000, takeLine });
    documentation = JSON.parse(json);
  });

  it("says at the top of each entry what the entry is for", () => {
    const silent = Object.entries(documentation.nodes).filter(([, { module_doc }]) => !module_doc?.doc);
    assert.deepEqual(
      silent.map(([entry]) => relative(root, fileURLToPath(entry))),
      [],
    );
  });

  it("has a doc comment on every exported symbol", () => {
    const symbols = Object.values(documentation.nodes).flatMap((entry) => entry.symbols);
    const silent = symbols.flatMap(({ name, declarations }) => {
      const own = declarations.filter(({ declarationKind }) => declarationKind === "export");
      const { filename, line } = own[0]?.location ?? { filename: "", line: 0 };
      if (!filename.startsWith("file://")) return [];
      if (own.some(({ kind, jsDoc }) => kind === "reference" || jsDoc?.doc)) return [];
      return [`${relative(root, fileURLToPath(filename))}:${line} ${name}`];
    });
    assert.deepEqual([...new Set(silent)], []);
  });
});
