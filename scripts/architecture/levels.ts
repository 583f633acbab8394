/** A part of the library, and what it may lean on. */
export interface Part {
  readonly level: number;
  /** Third-party packages it may import; of one with a trailing `/*` only paths inside, and types. */
  readonly packages: readonly string[];
  /** Parts it may not import though their level would allow it. */
  readonly never?: readonly string[];
}

const connect = ["@connectrpc/connect", "@bufbuild/protobuf"];

/** The parts by folder below `src/`; imports point to the same level or down. */
const parts: Readonly<Record<string, Part>> = {
  core: { level: 0, packages: [] },
  http: { level: 1, packages: [] },
  policy: { level: 1, packages: [], never: ["http"] },
  balance: { level: 1, packages: [], never: ["http"] },
  discovery: { level: 1, packages: [], never: ["http"] },
  security: { level: 1, packages: [], never: ["http"] },
  telemetry: { level: 1, packages: ["prom-client/lib/*"], never: ["http"] },
  gen: { level: 1, packages: ["@bufbuild/protobuf"] },
  rest: { level: 2, packages: [], never: ["rpc", "serve", "hono"] },
  rpc: { level: 2, packages: connect, never: ["rest", "hono"] },
  serve: { level: 2, packages: [], never: ["rest", "rpc", "hono"] },
  hono: { level: 2, packages: ["hono"], never: ["rest"] },
  net: { level: 3, packages: ["@connectrpc/connect-node", "undici", ...connect], never: ["hono"] },
  runtime: { level: 4, packages: connect },
  // An entry of its own, above what the main entry leads to: its packages must not get into that.
  validate: { level: 4, packages: ["@bufbuild/protovalidate", "@connectrpc/validate", ...connect] },
  mesh: { level: 5, packages: ["hono", ...connect] },
};

/** The parts that may touch a platform: its modules and its globals. */
export const platformParts: ReadonlySet<string> = new Set(["net", "runtime"]);

/** `mod.ts`: the public face. */
const face: Part = { level: 6, packages: ["hono", ...connect] };

/** The part of the library that a file belongs to, if it belongs to the library. */
export function partOf(file: string): { readonly name: string; readonly part: Part } | undefined {
  const [first, folder = ""] = file.split("/");
  if (file === "mod.ts") return { name: "the public face", part: face };
  if (first !== "src") return undefined;
  const part = parts[folder];
  if (!part)
    throw new Error(`Cannot check ${file}: src/${folder} has no level, give it one in scripts/architecture`);
  return { name: folder, part };
}

/** Which runtime adapter a file belongs to: `src/runtime/<name>/…`. */
export function adapterOf(file: string): string | undefined {
  const [, folder, name, ...rest] = file.split("/");
  return folder === "runtime" && rest.length > 0 ? name : undefined;
}

/** What an adapter may import of its siblings. */
export const siblingsOf: Readonly<Record<string, readonly string[]>> = {
  web: [],
  workerd: ["web"],
  node: ["web"],
  deno: ["web"],
  bun: ["web"],
};

/** The platform modules that an adapter on the edge may import: it has neither sockets nor HTTP/2. */
export const edgeModules: Readonly<Record<string, readonly string[]>> = {
  web: [],
  workerd: ["node:async_hooks"],
};

/** The one file of `src/net` that an adapter on the edge may import: what a runtime must offer. */
export const edgeNet = "src/net/port.ts";
