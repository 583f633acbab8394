import type { Clock } from "../core/clock.ts";
import { checkBoolean, checkNumber, checkOptions, checkWord, type OptionKeys } from "../core/options.ts";
import { createAdminApp } from "../hono/health-routes.ts";
import type { Listener, ListenOptions, Runtime } from "../net/port.ts";
import type { Health } from "../serve/health.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { checkHostname, urlOf } from "./listen-options.ts";
import { listenerEvents, type Tell } from "./mesh-events.ts";
import type { AdminOptions } from "./options.ts";

const adminOptions: OptionKeys<AdminOptions> = {
  port: true,
  hostname: true,
  tls: true,
  clientAuth: true,
};

/** The open admin port of a server. */
export interface AdminPort {
  readonly port: number;
  readonly url: string;
  readonly listener: Listener;
}

/**
 * Checks the options of an admin port, and fills in the defaults.
 *
 * @throws TypeError | RangeError when one has the wrong type or is out of range
 */
export function adminFrom(
  options: AdminOptions | undefined,
  serverHostname: string,
): (AdminOptions & Required<Pick<AdminOptions, "hostname" | "tls">>) | undefined {
  if (options === undefined) return undefined;
  checkOptions("serve()'s admin", options, adminOptions);
  const { hostname = serverHostname, tls = false, clientAuth } = options;
  checkNumber("serve()", "admin.port", options.port, { integer: true, max: 65_535 });
  checkHostname("admin.hostname", hostname);
  checkBoolean("serve()", "admin.tls", tls);
  checkWord("serve()", "admin.clientAuth", clientAuth, ["require", "request", "none"]);
  if (clientAuth !== undefined && clientAuth !== "none" && !tls) {
    throw new TypeError(
      `Cannot serve: admin.clientAuth is "${clientAuth}" without TLS; set admin.tls to true, or leave admin.clientAuth out`,
    );
  }
  return { ...options, hostname, tls };
}

/** What an admin port is made of. */
interface AdminParts {
  readonly runtime: Runtime;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tell: Tell | undefined;
  readonly onError: (error: unknown, call: undefined) => void;
  /** What its probes tell. */
  readonly health: Health;
}

/** Opens the admin port of a server. When it cannot be opened, nothing of the server stays open. */
export async function openAdmin(
  { runtime, metrics, clock, onError, tell, health }: AdminParts,
  { port, hostname, tls }: Pick<AdminOptions, "port"> & Pick<ListenOptions, "hostname" | "tls">,
  server: Listener,
): Promise<AdminPort> {
  const app = createAdminApp(health, metrics, clock, (error) => onError(error, undefined));
  try {
    const listener = await runtime.listen({
      hostname,
      ports: { all: port },
      tls,
      fetch: (request) => app.fetch(request),
      rpc: undefined,
      // Nothing here must be fast.
      overrideGlobalObjects: false,
      ...listenerEvents(tell, metrics),
      onHandlerError: (error) => onError(error, undefined),
      clock,
    });
    const opened = listener.ports.rest;
    return { port: opened, url: urlOf(tls !== undefined, hostname, opened), listener };
  } catch (error) {
    await server.destroy();
    throw error;
  }
}
