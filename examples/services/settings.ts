import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Server, TlsIdentity } from "@datapunk/mesh";

/**
 * Reads a setting from the environment, which works the same on Node, Deno and Bun.
 *
 * @throws Error when it is not set and there is no fallback
 */
export function setting(name: string, fallback?: string): string {
  const value = process.env[name] ?? fallback;
  if (value === undefined) throw new Error(`Cannot start: set the environment variable ${name}`);
  return value;
}

/** The name that a service's certificate carries, by which the others know it. */
export function spiffeId(service: string): string {
  return `spiffe://datapunk.local/${service}`;
}

/** The certificate, the key and the authority in the folder that MESH_TLS_DIR names. */
export function tlsIdentity(): TlsIdentity {
  const folder = setting("MESH_TLS_DIR");
  const read = (file: string): string => readFileSync(join(folder, file), "utf8");
  return { cert: read("cert.pem"), key: read("key.pem"), ca: read("ca.pem") };
}

/**
 * Lets the parent process wait for this one, and ends it with them: without this, services would
 * outlive a start script that is killed.
 */
export function announce(server: Server): void {
  console.log(`ready at ${server.url}`);
  process.stdin.on("end", () => void server.close({ force: true })).resume();
  void server.closed.then(() => process.exit(0));
}
