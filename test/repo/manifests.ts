import { join } from "node:path";
import { bin, runIn } from "./packed-package.ts";

/** What is read of a Kubernetes manifest. */
export interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly clusterIP?: string;
    readonly selector?: unknown;
    readonly ports?: readonly { readonly port: number; readonly targetPort: string }[];
    readonly template?: {
      readonly metadata: { readonly labels: object; readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly Container[];
      };
    };
  };
}

interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly lifecycle?: unknown;
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}

/** A probe by HTTP. */
export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly timeoutSeconds?: number;
}

/** Reads a file of YAML documents, by Bun: it brings a parser along. */
export async function manifestsIn(file: string, folder: string): Promise<readonly Manifest[]> {
  const program =
    'import { file, YAML } from "bun"; console.log(JSON.stringify(YAML.parse(await file(Bun.argv.at(-1)).text())))';
  const parsed: unknown = JSON.parse(await runIn(folder, join(bin, "bun"), "-e", program, file));
  // JSON has no types; what is missing fails where it is read.
  return (Array.isArray(parsed) ? parsed : [parsed]) as readonly Manifest[];
}

/** What a Dockerfile says that the tests look at. */
export interface Image {
  readonly from: string;
  readonly exposed: readonly number[];
  readonly command: readonly string[];
}

/** Reads the last stage of a Dockerfile. */
export function imageOf(dockerfile: string): Image {
  const last = (instruction: string): string =>
    [...dockerfile.matchAll(new RegExp(`^${instruction} (.*)$`, "gm"))].at(-1)?.[1] ?? "";
  return {
    from: last("FROM"),
    exposed: last("EXPOSE").split(" ").map(Number),
    command: JSON.parse(last("CMD")),
  };
}
