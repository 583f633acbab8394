import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import process from "node:process";
import { runProcess } from "../../../scripts/test/process.ts";

/** The tree under test. */
export const root: string = resolve(import.meta.dirname, "../../..");

/** A program that the project itself brings. */
export const bin = (name: string): string => join(root, "node_modules/.bin", name);

/** Runs a program to its end and gives what it wrote; fails when it fails. */
export async function output(program: string, args: readonly string[]): Promise<string> {
  const { exitCode, output, timedOut } = await runProcess(program, args, { cwd: root, timeoutMs: 20_000 });
  if (exitCode === 0) return output;
  throw new Error(
    `${program} ${args.join(" ")} ${timedOut ? "timed out" : `ended with ${exitCode}`}: ${output}`,
  );
}

/** The options of a test that needs a program which the project cannot bring along. */
export function needs(program: string | undefined, remedy: string): { readonly skip: string | false } {
  return { skip: program === undefined && `missing tool: ${remedy}` };
}

/** curl with HTTP/2, if this machine has it. */
export function findCurl(): string | undefined {
  const { stdout } = spawnSync("curl", ["--version"], { encoding: "utf8", timeout: 10_000 });
  return /^Features:.*\bHTTP2\b/m.test(stdout ?? "") ? "curl" : undefined;
}

/** A program, if this machine has it: with these arguments it does nothing. */
export function findProgram(program: string, ...args: string[]): string | undefined {
  return spawnSync(program, args, { timeout: 10_000 }).status === 0 ? program : undefined;
}

/** nginx, where Debian puts it beside the path of ordinary users. */
export function findNginx(): string | undefined {
  return findProgram("nginx", "-v") ?? findProgram("/usr/sbin/nginx", "-v");
}

/** haproxy, likewise. */
export function findHaproxy(): string | undefined {
  return findProgram("haproxy", "-v") ?? findProgram("/usr/sbin/haproxy", "-v");
}

/** Envoy, if scripts/envoy has installed it. */
export function findEnvoy(): string | undefined {
  const folder = join(root, ".cache/envoy");
  return existsSync(join(folder, "installed")) ? join(folder, "envoy") : undefined;
}

/** A Python that has grpcio and protobuf: PYTHON, the one that .ci/run makes, or the machine's own. */
export function findPython(): string | undefined {
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "python3"));
  const candidates = [process.env.PYTHON ?? "", join(root, ".cache/venv/bin/python"), ...onPath];
  return candidates.find((python) => {
    if (!existsSync(python)) return false;
    return spawnSync(python, ["-c", "import grpc, google.protobuf"], { timeout: 20_000 }).status === 0;
  });
}

/** The folder with grpc-go's interoperability programs, `client` and `server`, if scripts/grpc-go has made them. */
export function findGrpcGo(): string | undefined {
  const folder = join(root, ".cache/grpc-go");
  return existsSync(join(folder, "made")) ? folder : undefined;
}

/** The conformance test of HTTP/2 servers, if scripts/h2spec has made it. */
export function findH2spec(): string | undefined {
  const folder = join(root, ".cache/h2spec");
  return existsSync(join(folder, "made")) ? join(folder, "h2spec") : undefined;
}

/** Chromium, or Chrome, by whatever name it was installed. */
export function findChromium(): string | undefined {
  return ["chromium", "chromium-browser", "google-chrome"].find((name) => findProgram(name, "--version"));
}
