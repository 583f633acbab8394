import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runProcess } from "../../scripts/test/process.ts";
import { makeFolder, writeGuide } from "./guide.ts";

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

/** Types of other packages that ours name; and a symbol that is nobody's business. */
const theirs: ReadonlySet<string> = new Set([
  "BinaryReadOptions",
  "BinaryWriteOptions",
  "CallOptions",
  "Compression",
  "ConnectError",
  "ConnectRouter",
  "ConnectRouterOptions",
  "ContextKey",
  "ContextValues",
  "DescMethod",
  "DescService",
  "Env",
  "Hono",
  "Interceptor",
  "JsonReadOptions",
  "JsonWriteOptions",
  "MethodImpl",
  "MethodImplSpec",
  "MiddlewareHandler",
  "Registry",
  "ServiceImpl",
  "StreamResponse",
  "Transport",
  "UnaryResponse",
  "UniversalHandlerOptions",
  "UniversalServerRequest",
  "UniversalServerResponse",
  "Validator",
  "servedHealth",
]);

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

  it("exports each type of ours that a signature of it names", async () => {
    const args = ["doc", "--lint", ...Object.values(exports)];
    const deno = join(root, "node_modules/.bin/deno");
    const { output } = await runProcess(deno, args, { cwd: root, timeoutMs: 60_000 });
    const all = [...output.matchAll(/public type '(.*)' references private type '(.*)'/g)];
    assert.notEqual(all.length, 0, output);
    const ours = all.filter(([, , type = ""]) => !theirs.has(type));
    assert.deepEqual([...new Set(ours.map(([, from, type]) => `${from} names ${type}`))], []);
  });
});

const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".md"))
  .map((file) => ({ file, text: readFileSync(join(root, "docs", file), "utf8") }));

describe("docs/", () => {
  it("shows TypeScript that type-checks", async () => {
    const folder = makeFolder("docs");
    try {
      for (const { file, text } of docs) {
        // What its blocks import is generated where that guide is followed; its types are checked there, too.
        if (file !== "protos.md") writeGuide(text, join(folder, file.replace(/\W/g, "-")));
      }
      const settings = {
        extends: "../../tsconfig.json",
        compilerOptions: {
          declaration: false,
          isolatedDeclarations: false,
          noUnusedLocals: false,
          noUnusedParameters: false,
        },
        include: ["**/*.ts"],
        exclude: [],
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
      const tsc = join(root, "node_modules/.bin/tsc");
      const { exitCode, output } = await runProcess(tsc, ["-p", folder], { cwd: root, timeoutMs: 55_000 });
      assert.equal(exitCode, 0, output);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("leads to every document from its README", () => {
    const index = docs.find(({ file }) => file === "README.md")?.text ?? "";
    const files = docs.map(({ file }) => file).filter((file) => !file.includes("/") && file !== "README.md");
    assert.deepEqual(
      files.filter((file) => !index.includes(`](${file})`)),
      [],
    );
  });

  it("links to files and headings that exist", () => {
    const broken = docs.flatMap(({ file, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(
        ([link, path = "", heading]) => {
          const to = path === "" ? join(root, "docs", file) : join(root, "docs", dirname(file), path);
          if (!existsSync(to)) return [`${file}: ${link}`];
          if (heading === undefined) return [];
          const headings = [...readFileSync(to, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
            title
              .toLowerCase()
              .replace(/[^\w\- ]/g, "")
              .replaceAll(" ", "-"),
          );
          return headings.includes(heading) ? [] : [`${file}: ${link}`];
        },
      ),
    );
    assert.deepEqual(broken, []);
  });
});
