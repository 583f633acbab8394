import { addressSet } from "../core/address-ranges.ts";
import { checkNumber, checkOptions, type NumberRange, type OptionKeys, orDefault } from "../core/options.ts";
import type { ListenerLimits, ListenOptions, ServerKeepalive } from "../net/port.ts";
import type { ServeOptions } from "./options.ts";

const knownLimits: OptionKeys<ListenerLimits> = {
  maxConnections: true,
  maxConnectionsPerAddress: true,
  maxConnectionAgeMs: true,
  maxConnectionAgeGraceMs: true,
  idleTimeoutMs: true,
  keepalive: true,
  proxyProtocol: true,
};
const knownPorts: OptionKeys<NonNullable<ServeOptions["ports"]>> = { rest: true, grpc: true };
const knownKeepalive: OptionKeys<ServerKeepalive> = { intervalMs: true, timeoutMs: true };

/** The port or the two ports that the options ask for. */
export function portsFrom(options: ServeOptions): ListenOptions["ports"] {
  const check = (name: string, port: number): number =>
    checkNumber("serve()", name, port, { integer: true, max: 65_535 });
  if (options.ports === undefined) return { all: check("port", orDefault(options.port, 8080)) };
  if (options.port !== undefined) {
    throw new TypeError("Cannot serve: port and ports are both given; pass port for one port, ports for two");
  }
  checkOptions("serve()'s ports", options.ports, knownPorts);
  return { rest: check("ports.rest", options.ports.rest), grpc: check("ports.grpc", options.ports.grpc) };
}

/** How many connections a port takes, and for how long. */
export function limitsFrom({ connections = {} }: ServeOptions): ListenerLimits {
  checkOptions("serve()'s connections", connections, knownLimits);
  const check = (
    name: Exclude<keyof ListenerLimits, "keepalive" | "proxyProtocol">,
    range: NumberRange,
  ): number | undefined => {
    const value = connections[name];
    return value === undefined ? undefined : checkNumber("serve()", `connections.${name}`, value, range);
  };
  const { proxyProtocol } = connections;
  if (proxyProtocol !== undefined) addressSet("serve()", "connections.proxyProtocol", proxyProtocol);
  return {
    proxyProtocol,
    maxConnections: check("maxConnections", { integer: true, min: 1 }),
    maxConnectionsPerAddress: check("maxConnectionsPerAddress", { integer: true, min: 1 }),
    maxConnectionAgeMs: check("maxConnectionAgeMs", { above: true }),
    maxConnectionAgeGraceMs: check("maxConnectionAgeGraceMs", {}),
    // In whole seconds, of which HTTP/1.1 tells: one at least.
    idleTimeoutMs: check("idleTimeoutMs", { min: 1_000, max: 2 ** 31 - 1 }),
    keepalive: keepaliveFrom(connections.keepalive),
  };
}

function keepaliveFrom(keepalive: ServerKeepalive | undefined): ServerKeepalive | undefined {
  if (keepalive === undefined) return undefined;
  checkOptions("serve()'s connections.keepalive", keepalive, knownKeepalive);
  const { intervalMs, timeoutMs } = keepalive;
  const check = (name: keyof ServerKeepalive, value: number): number =>
    checkNumber("serve()", `connections.keepalive.${name}`, value, { above: true, max: 2 ** 31 - 1 });
  check("intervalMs", intervalMs);
  if (timeoutMs !== undefined) check("timeoutMs", timeoutMs);
  return keepalive;
}

/** Refuses what is no address to listen on. */
export function checkHostname(name: string, hostname: unknown): void {
  if (typeof hostname === "string") return;
  throw new TypeError(`Cannot serve: ${name} is no string; pass an address or a name of this machine`);
}

/** How a port is reached from this machine. */
export function urlOf(tls: boolean, hostname: string, port: number): string {
  const anywhere = hostname === "0.0.0.0" || hostname === "::" || hostname === "";
  const host = anywhere ? "127.0.0.1" : hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${tls ? "https" : "http"}://${host}:${port}`;
}
