import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../core/clock.ts";
import {
  type HealthCheckRequest,
  type HealthCheckResponse_ServingStatus,
  type Health as StandardHealth,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { Health } from "../../serve/health.ts";
import { HealthWatcher } from "./health-watcher.ts";

/** What {@link healthService} tells of. */
export interface HealthServiceOptions {
  readonly health: Health;
  /** Full names of the services that are registered. */
  readonly services: ReadonlySet<string>;
  /** How often a watcher has the checks asked, in milliseconds: nothing tells when what they look at changes. */
  readonly checkIntervalMs: number;
  readonly clock: Clock;
}

type ServingStatus = HealthCheckResponse_ServingStatus;

/**
 * The standard gRPC health service, told from the same readiness as `/readyz`: a service serves while the whole
 * is ready and nobody has said otherwise of it.
 */
export function healthService(options: HealthServiceOptions): ServiceImpl<typeof StandardHealth> {
  const { health, services, checkIntervalMs, clock } = options;
  const isKnown = (service: string): boolean =>
    service === "" || services.has(service) || health.services.has(service);

  /** Whether the whole serves, and whether that hangs on checks. */
  async function whole(): Promise<{ readonly serving: boolean; readonly checked: boolean }> {
    // A service that wants no traffic need not ask the checks, which may take their time.
    if (health.status !== "ready") return { serving: false, checked: false };
    const { status, checks } = await health.readiness();
    return { serving: status === "ready", checked: Object.keys(checks).length > 0 };
  }

  const statusOf = (service: string, serving: boolean): ServingStatus =>
    serving && health.services.get(service) !== false ? Status.SERVING : Status.NOT_SERVING;

  return {
    async check({ service }) {
      if (!isKnown(service)) throw new ConnectError("unknown service", Code.NotFound);
      return { status: statusOf(service, (await whole()).serving) };
    },

    async list() {
      const { serving } = await whole();
      const names = new Set(["", ...services, ...health.services.keys()]);
      return {
        statuses: Object.fromEntries(
          [...names].map((service) => [service, { status: statusOf(service, serving) }]),
        ),
      };
    },

    async *watch({ service }: HealthCheckRequest, context: HandlerContext) {
      const watcher = new HealthWatcher(health, clock, context.signal);
      let last: ServingStatus | undefined;
      try {
        while (!watcher.over) {
          watcher.look();
          const { serving, checked } = await whole();
          const status = isKnown(service) ? statusOf(service, serving) : Status.SERVICE_UNKNOWN;
          if (watcher.over) return;
          if (status !== last) yield { status };
          last = status;
          // A watcher that stayed would hold up the end of the server.
          if (health.status === "draining") return;
          await watcher.next(checked ? checkIntervalMs : Infinity);
        }
      } finally {
        watcher.close();
      }
    },
  };
}
