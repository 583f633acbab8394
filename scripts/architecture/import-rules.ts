import { posix } from "node:path";
import type { Import } from "./imports.ts";
import { adapterOf, edgeModules, edgeNet, partOf, platformParts, siblingsOf } from "./levels.ts";
import type { Source, Tree, Violation } from "./tree.ts";

const platformModule =
  /^(node|bun|cloudflare|deno):|^(bun|fs|path|net|tls|http|https|http2|crypto|stream|os|url)$/;

/** The file that a specifier means, if it means one of the tree. */
function targetOf(source: Source, specifier: string): string | undefined {
  if (specifier === "#runtime") return "src/net/port.ts";
  if (!specifier.startsWith(".")) return undefined;
  return posix.join(posix.dirname(source.file), specifier);
}

/** Import direction, walls between parts, siblings, packages, and platform modules. */
export function checkImports(tree: Tree): Violation[] {
  const violations: Violation[] = [];
  for (const source of tree.sources.values()) {
    const own = partOf(source.file);
    if (!own) continue;
    for (const each of source.imports) {
      const { specifier, line } = each;
      const report = (rule: string, message: string): void => {
        violations.push({ file: source.file, line, rule, message });
      };
      const target = targetOf(source, specifier);
      if (target === undefined) {
        for (const [rule, message] of outsideProblems(source.file, each)) report(rule, message);
        continue;
      }
      const other = partOf(target);
      if (!other) report("import-outside", `${specifier} is no part of the library`);
      else if (own.part.never?.includes(other.name)) {
        report("wall", `${own.name} never imports ${other.name}`);
      } else if (other.part.level > own.part.level) {
        report(
          "import-direction",
          `${own.name} (level ${own.part.level}) imports ${other.name} (level ${other.part.level}): imports point down`,
        );
      }
      violations.push(...siblingProblems(source.file, target, line));
    }
  }
  return violations;
}

/** What adapters may not import of each other, and those for the edge of `src/net`, which has sockets. */
function siblingProblems(file: string, target: string, line: number): Violation[] {
  const own = adapterOf(file);
  const other = adapterOf(target);
  if (own !== undefined && own in edgeModules && target.startsWith("src/net/") && target !== edgeNet) {
    const message = `the ${own} adapter has no sockets: of src/net it may import ${edgeNet} only`;
    return [{ file, line, rule: "edge-net", message }];
  }
  if (own === undefined || other === undefined || own === other || siblingsOf[own]?.includes(other))
    return [];
  return [{ file, line, rule: "runtime-siblings", message: `the ${own} adapter may not import ${other}` }];
}

function* outsideProblems(
  file: string,
  { specifier, typeOnly }: Import,
): Generator<[rule: string, message: string]> {
  const own = partOf(file);
  if (!own) return;
  if (platformModule.test(specifier)) {
    const allowed = edgeModules[adapterOf(file) ?? ""];
    if (!platformParts.has(own.name)) {
      yield ["platform-import", `${specifier} may only be imported in src/net and src/runtime`];
    } else if (allowed && !allowed.includes(specifier)) {
      yield ["platform-import", `the ${adapterOf(file)} adapter may not import ${specifier}`];
    }
    return;
  }
  const fits = own.part.packages.some((allowed) =>
    allowed.endsWith("/*")
      ? specifier.startsWith(allowed.slice(0, -1)) || (typeOnly && specifier === packageOf(allowed))
      : specifier === allowed || specifier.startsWith(`${allowed}/`),
  );
  if (!fits) {
    const list = own.part.packages.join(", ") || "no third-party package";
    yield ["third-party", `${own.name} may not import ${specifier}; it may import ${list}`];
  }
}

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Import circles, those of types included. */
export function checkCircles(tree: Tree): Violation[] {
  const violations: Violation[] = [];
  const state = new Map<string, "open" | "done">();
  const trail: string[] = [];
  const visit = (file: string): void => {
    const source = tree.sources.get(file);
    if (!source || state.get(file) === "done") return;
    if (state.get(file) === "open") {
      const circle = [...trail.slice(trail.indexOf(file)), file];
      violations.push({ file, rule: "import-circle", message: circle.join(" → ") });
      return;
    }
    state.set(file, "open");
    trail.push(file);
    for (const { specifier } of source.imports) {
      // #runtime is chosen by the platform; what it leads to is checked from its own files.
      const target = specifier.startsWith(".") ? targetOf(source, specifier) : undefined;
      if (target !== undefined) visit(target);
    }
    trail.pop();
    state.set(file, "done");
  };
  for (const file of tree.sources.keys()) visit(file);
  return violations;
}
