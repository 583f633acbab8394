import type { DescService } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../core/clock.ts";
import { ignoreRejection, isThenable } from "../../core/hooks.ts";
import { Health as HealthV1 } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Health } from "../../serve/health.ts";
import { operationOf } from "../dialect/call-headers.ts";
import { healthService } from "../health/health-service.ts";
import { reflectionService } from "../reflection/reflection-service.ts";
import type { RpcRouter } from "./router.ts";

/** What is served beside the services of the routes. */
export interface StandardRoutesOptions {
  readonly routes: (router: RpcRouter) => void;
  /** gRPC health, if it is wanted. */
  readonly health: { readonly source: Health; readonly checkIntervalMs: number } | undefined;
  /** Whether tools may ask for the descriptors. */
  readonly reflection: boolean;
  readonly clock: Clock;
}

/** The one of them that is a stream without an end. */
export const watchOperation: string = operationOf(HealthV1.method.watch);

/** The operations of gRPC health, which go past the chain. */
export const healthOperations: ReadonlySet<string> = new Set(HealthV1.methods.map(operationOf));

/** The routes, and behind them gRPC's standard services; one that the routes register themselves is left to them. */
export function withStandardServices(options: StandardRoutesOptions): (router: RpcRouter) => void {
  const { routes, health, reflection, clock } = options;
  return function standardRoutes(router) {
    const registered: unknown = routes(router);
    if (isThenable(registered)) {
      ignoreRejection(registered);
      throw new TypeError(
        "Cannot serve RPCs: routes returns a promise; await what the services need first, and register them at once",
      );
    }
    const own = servicesOf(router);
    if (health !== undefined && !own.some(({ typeName }) => typeName === HealthV1.typeName)) {
      const services = new Set(own.map(({ typeName }) => typeName));
      const { source, checkIntervalMs } = health;
      // The interceptors of the application, which may ask for a token, are none of a probe's business.
      const interceptors: [] = [];
      const served = healthService({ health: source, services, checkIntervalMs, clock });
      router.service(HealthV1, served, { interceptors });
    }
    if (!reflection) return;
    const known = new Set(servicesOf(router).map(({ typeName }) => typeName));
    const missing = [ServerReflection, ServerReflectionAlpha].filter((each) => !known.has(each.typeName));
    const implementation = reflectionService([...servicesOf(router), ...missing]);
    for (const each of missing) {
      // The two differ by nothing but the package.
      router.service(each, implementation as ServiceImpl<typeof each>);
    }
  };
}

function servicesOf(router: RpcRouter): readonly DescService[] {
  return [...new Map(router.handlers.map(({ service }) => [service.typeName, service])).values()];
}
