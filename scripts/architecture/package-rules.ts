import { type Lockfile, missingOptionals } from "./lockfile.ts";
import { hasFile, type Tree, type Violation } from "./tree.ts";

interface PackageJson {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface DenoJson {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
}

/** package.json and deno.json say the same, and what they name exists. */
export function checkPackage(tree: Tree): Violation[] {
  const manifest: PackageJson = JSON.parse(tree.others.get("package.json") ?? "{}");
  const deno: DenoJson = JSON.parse(tree.others.get("deno.json") ?? "{}");
  return [
    ...inStep(manifest, deno),
    ...targetsExist(tree, manifest),
    ...pinned(manifest),
    ...ranges(tree, manifest),
    ...denoRanges(manifest, deno),
    ...lockfile(tree),
  ];
}

function* inStep(manifest: PackageJson, deno: DenoJson): Generator<Violation> {
  const report = (key: string, message: string): Violation => ({
    file: "deno.json",
    rule: "manifests-in-step",
    message: `${key}: ${message}`,
  });
  for (const key of ["name", "version", "license"] as const) {
    if (manifest[key] !== deno[key])
      yield report(key, `"${deno[key]}", but "${manifest[key]}" in package.json`);
  }
  const entries = new Set([...Object.keys(manifest.exports ?? {}), ...Object.keys(deno.exports ?? {})]);
  for (const entry of entries) {
    const [here, there] = [deno.exports?.[entry], manifest.exports?.[entry]];
    if (here !== there)
      yield report(`exports "${entry}"`, `${here ?? "missing"}, but ${there ?? "missing"} in package.json`);
  }
  for (const [name, conditions] of Object.entries(manifest.imports ?? {})) {
    const expected = conditions.deno ?? conditions.default;
    if (deno.imports?.[name] !== expected) {
      yield report(
        `imports "${name}"`,
        `${deno.imports?.[name] ?? "missing"}, but ${expected} in package.json`,
      );
    }
  }
}

function* targetsExist(tree: Tree, manifest: PackageJson): Generator<Violation> {
  const targets = [
    ...Object.entries(manifest.exports ?? {}),
    ...Object.entries(manifest.imports ?? {}).flatMap(([name, conditions]) =>
      Object.entries(conditions).map(([condition, target]): [string, string] => [
        `${name} (${condition})`,
        target,
      ]),
    ),
  ];
  for (const [entry, target] of targets) {
    if (!hasFile(tree, target.replace("./", ""))) {
      yield {
        file: "package.json",
        rule: "export-target",
        message: `${entry} names ${target}, which does not exist`,
      };
    }
  }
}

const exactVersion = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

/** What only this repository runs is one version for everybody, and so is what its tests run the peers with. */
function* pinned(manifest: PackageJson): Generator<Violation> {
  const report = (message: string): Violation => ({ file: "package.json", rule: "pinned-versions", message });
  for (const [name, version] of Object.entries(manifest.devDependencies ?? {})) {
    if (!exactVersion.test(version)) yield report(`${name} is ${version}: name one exact version`);
  }
  for (const name of Object.keys(manifest.peerDependencies ?? {})) {
    if (manifest.devDependencies?.[name] === undefined)
      yield report(`${name} is a peer: name the version to test with in devDependencies`);
  }
}

/** What users install is a range, so that they get one copy: from the oldest version that works, as tested, on. */
function* ranges(tree: Tree, manifest: PackageJson): Generator<Violation> {
  const report = (message: string): Violation => ({ file: "package.json", rule: "version-ranges", message });
  const { packages }: Lockfile = JSON.parse(tree.others.get("package-lock.json") ?? '{ "packages": {} }');
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    const oldest = range.slice(1);
    if (!range.startsWith("^") || !exactVersion.test(oldest)) {
      yield report(`${name} is ${range}: give the range as ^ and the oldest version that works`);
    } else if (
      manifest.dependencies?.[name] !== undefined &&
      packages[`node_modules/${name}`]?.version !== oldest
    ) {
      const locked = packages[`node_modules/${name}`]?.version ?? "missing";
      yield report(
        `${name} is ${range}, but ${locked} in package-lock.json: the oldest is the one to test with`,
      );
    }
  }
}

function* denoRanges(manifest: PackageJson, deno: DenoJson): Generator<Violation> {
  const file = "deno.json";
  const rule = "manifests-in-step";
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    const expected = `npm:${name}@${range}`;
    const given = deno.imports?.[name];
    if (given !== expected)
      yield { file, rule, message: `imports "${name}": ${given ?? "missing"}, not ${expected}` };
    const paths = deno.imports?.[`${name}/`];
    if (paths !== undefined && paths !== `npm:/${name}@${range}/`) {
      yield { file, rule, message: `imports "${name}/": ${paths}, not npm:/${name}@${range}/` };
    }
  }
}

function* lockfile(tree: Tree): Generator<Violation> {
  const file = "package-lock.json";
  for (const [index, text] of (tree.others.get(file) ?? "").split("\n").entries()) {
    if (!text.includes('"resolved"')) continue;
    const message = `${text.trim()}: download addresses tie the lockfile to one registry`;
    yield { file, line: index + 1, rule: "lockfile-address", message };
  }
  const lock: Lockfile = JSON.parse(tree.others.get(file) ?? '{ "packages": {} }');
  for (const { name, version } of missingOptionals(lock)) {
    const message = `npm ci refuses it without ${name}@${version}: run node scripts/complete-lockfile.ts`;
    yield { file, rule: "lockfile-complete", message };
  }
}

// Spelled apart, or this file would be the first to break the rule.
const machinePath = new RegExp(`(^|[^\\w.])/(${["work", "root", "home"].join("|")})/\\w`);

/** No text of the tree names a path of the machine it was written on. */
export function checkMachinePaths(tree: Tree): Violation[] {
  const texts = [
    ...tree.others,
    ...[...tree.sources.values()].map(({ file, text }) => [file, text] as const),
  ];
  return texts.flatMap(([file, text]) =>
    text.split("\n").flatMap((line, index): Violation[] => {
      const found = machinePath.exec(line);
      return found
        ? [{ file, line: index + 1, rule: "machine-path", message: line.trim().slice(0, 100) }]
        : [];
    }),
  );
}
