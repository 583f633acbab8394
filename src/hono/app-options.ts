import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { MeshError } from "../core/errors.ts";
import { quietHook } from "../core/hooks.ts";
import { checkFunction, checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { Health } from "../serve/health.ts";
import type { RequestPipeline } from "../serve/request-pipeline.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ExposeOptions } from "./health-routes.ts";
import type { AppParts, CallScope } from "./routed-request.ts";

/** What an application chooses about how it is served. */
export interface AppOptions {
  /** The largest request body, in bytes; `bodyLimit()` gives a route its own. @default 1 MiB */
  readonly bodyLimitBytes?: number;
  /** Who sees health and metrics. @default everybody the probes, nobody the metrics */
  readonly expose?: ExposeOptions;
  /**
   * Told of errors whose response is a plain 500, and of bodies that fail midway: the caller learns nothing of them, so
   * write them down here.
   */
  readonly onError?: (error: unknown, call: Call) => void;
}

/** Options of {@link createApp} and {@link meshMiddleware}: the application's choices, and what the mesh brings. */
export interface CreateAppOptions extends AppOptions {
  /** Made by `createRequestPipeline`; apps that are given the same one have its limits together. */
  readonly pipeline: RequestPipeline;
  /** Makes the call known to what the handler calls. @default the call is in `c.get("call")` only */
  readonly asyncContext?: CallScope | undefined;
  /** Adds `/healthz` and `/readyz`. @default they are not there */
  readonly health?: Health;
  /** Adds `/metrics`. @default it is not there */
  readonly metrics?: Metrics;
  /** @default systemClock */
  readonly clock?: Clock;
}

export const knownAppOptions: OptionKeys<AppOptions> = { bodyLimitBytes: true, expose: true, onError: true };

const knownOptions: OptionKeys<CreateAppOptions> = {
  ...knownAppOptions,
  pipeline: true,
  asyncContext: true,
  health: true,
  metrics: true,
  clock: true,
};

/**
 * Checks options, and takes from them what each request needs.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function partsFrom(
  who: string,
  options: CreateAppOptions,
  refuseMethod: (method: string, path: string) => MeshError,
): AppParts {
  checkOptions(who, options, knownOptions);
  const onError = checkFunction(who, "onError", options.onError);
  return {
    pipeline: options.pipeline,
    bodyLimitBytes: checkNumber(who, "bodyLimitBytes", orDefault(options.bodyLimitBytes, 1_048_576), {
      max: Infinity,
    }),
    scope: options.asyncContext,
    refuseMethod,
    onError: onError && quietHook(onError),
  };
}
