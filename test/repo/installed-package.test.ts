import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { bin, manifest, packInto, registryProblem, runIn } from "./packed-package.ts";

const { peerDependencies, peerDependenciesMeta, devDependencies } = manifest;
const required = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
const optional = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional);

/** The oldest TypeScript whose users we look after. */
const oldTypeScript = "typescript@5.9.3";
/** The oldest Node of `engines`, as npm has it for this machine. */
const oldNode = `node-${process.platform}-${process.arch}`;

/** The two ends of every range, and what else each project needs. */
const corners: Readonly<Record<"oldest" | "newest", readonly string[]>> = {
  oldest: [...required.map((name) => `${name}@${peerDependencies[name]?.slice(1)}`), `${oldNode}@22.19.0`],
  newest: [...Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`), oldTypeScript],
};

/** What a user writes: REST and RPC on one port, and clients of both. */
const program = `import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "@datapunk/mesh";
import { Hono } from "hono";

const text = ".google.protobuf.StringValue";
const file = create(FileDescriptorProtoSchema, {
  name: "echo.proto",
  package: "echo.v1",
  syntax: "proto3",
  dependency: ["google/protobuf/wrappers.proto"],
  service: [
    {
      name: "Echo",
      method: [
        { name: "Say", inputType: text, outputType: text },
        { name: "Repeat", inputType: text, outputType: text, serverStreaming: true },
      ],
    },
  ],
});
const registry = createFileRegistry(file, () => file_google_protobuf_wrappers.proto);
const Echo = registry.getService("echo.v1.Echo") as unknown as GenService<{
  say: { methodKind: "unary"; input: typeof StringValueSchema; output: typeof StringValueSchema };
  repeat: { methodKind: "server_streaming"; input: typeof StringValueSchema; output: typeof StringValueSchema };
}>;

const echo = createMesh({ service: "echo" });
const app = echo.app();
app.get("/hello/:name", (c) => c.json({ hello: c.req.param("name") }));
const server = await echo.serve({
  app,
  routes: (router) => {
    router.service(Echo, {
      say: ({ value }) => ({ value: \`said \${value}\` }),
      async *repeat({ value }) {
        yield { value: \`\${value} 1\` };
        yield { value: \`\${value} 2\` };
      },
    });
  },
  port: 0,
  hostname: "127.0.0.1",
});
const mesh = createMesh({ service: "caller", resolver: staticResolver({ echo: [server.url] }) });
const found: Record<string, unknown> = {
  runtime: mesh.runtime.name,
  isHono: app instanceof Hono,
  rest: await mesh.rest("echo").get("hello/you").json<{ hello: string }>(),
};
for (const protocol of ["grpc", "connect", "grpc-web"] as const) {
  const client = createClient(Echo, mesh.transport("echo", { protocol }));
  const words = [(await client.say({ value: "hi" })).value];
  for await (const { value } of client.repeat({ value: "again" })) words.push(value);
  found[protocol] = words;
}
console.log(JSON.stringify(found));
await mesh.close();
await server.close();
`;

const words = ["said hi", "again 1", "again 2"];
const expected = { isHono: true, rest: { hello: "you" }, grpc: words, connect: words, "grpc-web": words };

describe("the npm package, installed into an empty project", { skip: await registryProblem() }, () => {
  let scratch = "";
  let archive = "";

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), "mesh-installed-"));
    archive = await packInto(scratch);
    await Promise.all(Object.keys(corners).map((corner) => project(corner as keyof typeof corners)));
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  async function project(corner: keyof typeof corners): Promise<void> {
    const folder = join(scratch, corner);
    const entries = Object.keys(manifest.exports).filter(
      (entry) => corner === "newest" || entry !== "./validate",
    );
    const imports = entries.map(
      (entry, index) =>
        `import * as entry${index} from "${entry.replace(/^\./, manifest.name)}";\nvoid entry${index};\n`,
    );
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    writeFileSync(join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "manual", lock: false }));
    writeFileSync(join(folder, "main.ts"), program);
    writeFileSync(join(folder, "entries.ts"), imports.join(""));
    writeFileSync(join(folder, "validate.ts"), `import "${manifest.name}/validate";\n`);
    const types = `@types/node@${devDependencies["@types/node"]}`;
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline", "--ignore-scripts"];
    await runIn(folder, "npm", "install", ...quiet, archive, ...corners[corner], types);
  }

  async function runsOn(
    corner: keyof typeof corners,
    runtime: string,
    program: string,
    ...args: string[]
  ): Promise<void> {
    const output = await runIn(join(scratch, corner), program, ...args, "main.ts");
    const line = output.split("\n").find((each) => each.startsWith("{")) ?? "{}";
    assert.deepEqual(JSON.parse(line), { runtime, ...expected }, output);
  }

  for (const corner of ["oldest", "newest"] as const) {
    it(`has one copy of each peer beside the ${corner} of every range`, async () => {
      const output = await runIn(join(scratch, corner), "npm", "ls", "--all", "--parseable");
      const names = corner === "oldest" ? required : [...required, ...optional];
      const copies = names.map(
        (name) => output.split("\n").filter((path) => path.endsWith(`node_modules/${name}`)).length,
      );
      assert.deepEqual(
        copies,
        names.map(() => 1),
        output,
      );
    });

    it(`serves and calls REST, gRPC, Connect and gRPC-Web on Node beside the ${corner} of every range`, async () => {
      await runsOn(corner, "node", join(bin, "node"));
    });
  }

  it("serves and calls on the oldest Node of engines", async () => {
    await runsOn("oldest", "node", join(scratch, "oldest/node_modules", oldNode, "bin/node"));
  });

  it("serves and calls on Deno", async () => {
    await runsOn("newest", "deno", join(bin, "deno"), "run", "--allow-all", "--no-check", "--no-prompt");
  });

  it("serves and calls on Bun", async () => {
    await runsOn("newest", "bun", join(bin, "bun"), "run");
  });

  it("is installed by Bun's own client, with its peers", async () => {
    const folder = join(scratch, "bun");
    mkdirSync(folder);
    const dependencies = { [manifest.name]: archive };
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ private: true, type: "module", dependencies }),
    );
    writeFileSync(join(folder, "main.ts"), program);
    await runIn(folder, join(bin, "bun"), "install", "--no-progress");
    const output = await runIn(folder, join(bin, "bun"), "run", "main.ts");
    assert.deepEqual(JSON.parse(output), { runtime: "bun", ...expected });
  });

  it("names the package to install where validation is asked for without Protovalidate", async () => {
    const folder = join(scratch, "oldest");
    const { exitCode, output } = await runProcess(join(bin, "node"), ["validate.ts"], {
      cwd: folder,
      timeoutMs: 60_000,
    });
    assert.notEqual(exitCode, 0);
    assert.match(output, /Cannot find package '@bufbuild\/protovalidate'/);
  });

  it("loads validation beside Protovalidate", async () => {
    await runIn(join(scratch, "newest"), join(bin, "node"), "validate.ts");
  });

  describe("has declarations that a strict tsc accepts whole, libraries included,", () => {
    const resolutions = {
      nodenext: ["--module", "nodenext"],
      bundler: ["--module", "esnext", "--moduleResolution", "bundler"],
    };
    const tsc = (version: 5 | 7): string =>
      version === 7 ? join(bin, "tsc") : join(scratch, "newest/node_modules/typescript/bin/tsc");

    for (const [version, corner, resolution, dom] of [
      [7, "oldest", "nodenext", true],
      [7, "oldest", "bundler", false],
      [7, "newest", "nodenext", true],
      [7, "newest", "nodenext", false],
      [7, "newest", "bundler", true],
      [7, "newest", "bundler", false],
      [5, "newest", "nodenext", false],
      [5, "newest", "bundler", true],
    ] as const) {
      const library = dom ? "with the DOM library" : "without the DOM library";
      it(`of TypeScript ${version}, ${resolution}, ${library}, beside the ${corner} peers`, async () => {
        const lib = dom ? "esnext,dom,dom.iterable,dom.asynciterable" : "esnext";
        const options = [
          "--noEmit",
          "--strict",
          "--skipLibCheck",
          "false",
          "--target",
          "esnext",
          "--types",
          "node",
        ];
        const { output } = await runProcess(
          join(bin, "node"),
          [
            tsc(version),
            ...options,
            "--lib",
            lib,
            ...resolutions[resolution],
            ...(version === 7 ? ["--ignoreConfig"] : []),
            "main.ts",
            "entries.ts",
          ],
          { cwd: join(scratch, corner), timeoutMs: 58_000 },
        );
        // Two names of the DOM that @types/node has not; these libraries use them in declarations of their own.
        const known =
          /^node_modules\/(@connectrpc\/connect|hono)\/.*Cannot find name '(HeadersInit|RequestInfo)'/;
        const problems = output.split("\n").filter((line) => line !== "" && (dom || !known.test(line)));
        assert.deepEqual(problems, []);
      });
    }
  });
});
