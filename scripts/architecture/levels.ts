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
  policy: { level: 1, packages: [] },
  balance: { level: 1, packages: [] },
  discovery: { level: 1, packages: [] },
  security: { level: 1, packages: [] },
  telemetry: { level: 1, packages: ["prom-client/lib/*"] },
  gen: { level: 1, packages: ["@bufbuild/protobuf"] },
  http: { level: 2, packages: ["hono"], never: ["rpc"] },
  rpc: { level: 2, packages: connect, never: ["http"] },
  server: { level: 2, packages: ["hono", ...connect] },
  // An entry of its own, above what the main entry leads to: its packages must not get into that.
  validate: { level: 3, packages: ["@bufbuild/protovalidate", "@connectrpc/validate", ...connect] },
  runtime: { level: 3, packages: ["hono", "@connectrpc/connect-node", "undici", ...connect] },
};

/** `mod.ts` and the files directly in `src/`: the public face, which wires everything. */
const face: Part = { level: 4, packages: ["hono", ...connect] };

/** The part of the library that a file belongs to, if it belongs to the library. */
export function partOf(file: string): { readonly name: string; readonly part: Part } | undefined {
  const [first, folder = "", ...rest] = file.split("/");
  if (file === "mod.ts" || (first === "src" && rest.length === 0))
    return { name: "the public face", part: face };
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

/** What an adapter may import of its siblings: the edge has neither sockets nor HTTP/2. */
export const siblingsOf: Readonly<Record<string, readonly string[]>> = {
  http2: [],
  web: [],
  workerd: ["web"],
  node: ["http2", "web"],
  deno: ["http2", "web"],
  bun: ["http2", "web"],
};

/** The platform modules that an adapter on the edge may import. */
export const edgeModules: Readonly<Record<string, readonly string[]>> = {
  web: [],
  workerd: ["node:async_hooks"],
};
