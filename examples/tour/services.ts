import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TlsIdentity } from "@datapunk/mesh";
import type { DevAuthority } from "../dev-ca.ts";
import type { ServiceSpec } from "./fleet.ts";

/** Where the services stay when the house is open; another port is taken where one of these is not free. */
export const documentedPorts = { gateway: 8080, lake: 7101, stream: 7201 } as const;

export type ServiceName = keyof typeof documentedPorts;

const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** The runtimes that the project brings along. */
const bin = (name: string): string => join(root, "node_modules/.bin", name);

/** What all three services need to know of each other. */
export interface Plan {
  readonly folder: string;
  readonly token: string;
  readonly ports: Readonly<Record<ServiceName, number>>;
}

/** Finds a port for each service: the documented one, if it is wanted and free, else any that is free. */
export async function findPorts(documented: boolean): Promise<Plan["ports"]> {
  const find = async (name: ServiceName): Promise<number> => {
    if (documented && (await isFree(documentedPorts[name]))) return documentedPorts[name];
    for (;;) {
      // Below the ports that systems give to clients: one of those could be taken while a service restarts.
      const port = 20_000 + randomInt(10_000);
      if (await isFree(port)) return port;
    }
  };
  return { gateway: await find("gateway"), lake: await find("lake"), stream: await find("stream") };
}

function identityFolder(plan: Plan, name: string): string {
  return join(plan.folder, "tls", name);
}

/** Writes an identity as a service reads it. Only this user may read the key. */
export function writeIdentity(plan: Plan, name: string, identity: TlsIdentity): string {
  const folder = identityFolder(plan, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "cert.pem"), identity.cert);
  writeFileSync(join(folder, "key.pem"), identity.key, { mode: 0o600 });
  writeFileSync(join(folder, "ca.pem"), identity.ca);
  return folder;
}

/** How each service is started: its runtime, its certificate, and where the others are. */
export async function serviceSpecs(
  plan: Plan,
  authority: DevAuthority,
  ready: (name: ServiceName) => Promise<boolean>,
): Promise<ServiceSpec[]> {
  const data = join(plan.folder, "lake");
  // Deno lets a service have what it needs and nothing else.
  const permissions = [
    "--allow-net=127.0.0.1",
    "--allow-env=PORT,MESH_TLS_DIR,LAKE_DATA,STREAM_URL",
    `--allow-read=${data},${identityFolder(plan, "lake")}`,
    `--allow-write=${data}`,
  ];
  const commands: Record<ServiceName, ServiceSpec["command"]> = {
    stream: [bin("bun"), "run"],
    lake: [bin("deno"), "run", "--no-prompt", ...permissions],
    gateway: [bin("node")],
  };
  const spec = async (name: ServiceName): Promise<ServiceSpec> => ({
    name,
    runtime: versionOf(name),
    command: [...commands[name], join(root, `examples/services/${name}.ts`)],
    log: join(plan.folder, `${name}.log`),
    ready: () => ready(name),
    env: {
      PORT: `${plan.ports[name]}`,
      MESH_TLS_DIR: writeIdentity(plan, name, await authority.issue(name)),
      LAKE_DATA: data,
      LAKE_URL: `https://127.0.0.1:${plan.ports.lake}`,
      STREAM_URL: `https://127.0.0.1:${plan.ports.stream}`,
      GATEWAY_TOKEN: plan.token,
    },
  });
  return Promise.all([spec("stream"), spec("lake"), spec("gateway")]);
}

function versionOf(name: ServiceName): string {
  const ask = (file: string): string =>
    execFileSync(bin(file), ["--version"], { encoding: "utf8", timeout: 10_000 });
  if (name === "lake") return `Deno ${/deno (\S+)/.exec(ask("deno"))?.[1]}`;
  if (name === "stream") return `Bun ${ask("bun").trim()}`;
  return `Node ${ask("node").trim().slice(1)}`;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
