import type { Hono } from "hono";
import type { Connection } from "../../src/core/connection.ts";
import type { PeerIdentity } from "../../src/core/identity.ts";
import { createApp } from "../../src/hono/app.ts";
import type { CreateAppOptions } from "../../src/hono/app-options.ts";
import type { MeshEnv } from "../../src/hono/env.ts";
import {
  createRequestPipeline,
  type RequestPipeline,
  type RequestPipelineOptions,
} from "../../src/serve/request-pipeline.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { metricValue } from "../support/metric-value.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** A server's layers on a virtual clock, without limits unless the test sets them. */
export interface Fixture {
  readonly app: Hono<MeshEnv>;
  readonly pipeline: RequestPipeline;
  readonly metrics: Metrics;
  readonly clock: VirtualClock;
  /** Errors whose response was a plain 500, and of bodies that failed midway. */
  readonly errors: unknown[];
  /** How many requests ended with these labels. */
  count(labels?: Readonly<Record<string, string>>): Promise<number>;
}

/** What differs from the plain fixture: the server's options, or a source of them, and what else a pipeline takes. */
export interface FixtureOptions
  extends ServerOptions,
    Partial<Pick<RequestPipelineOptions, "server" | "metrics" | "layers" | "onEvent">> {
  readonly clock?: VirtualClock;
}

export function serverFixture(
  {
    metrics = createMetrics(),
    layers = {},
    onEvent,
    server,
    clock = new VirtualClock(),
    ...limits
  }: FixtureOptions = {},
  appOptions: Partial<CreateAppOptions> = {},
): Fixture {
  const pipeline = createRequestPipeline({
    service: "lake",
    clock,
    metrics,
    layers,
    server: server ?? { rateLimit: false, ...limits },
    ...(onEvent && { onEvent }),
  });
  const errors: unknown[] = [];
  const app = createApp({ pipeline, clock, onError: (error) => errors.push(error), ...appOptions });
  return {
    app,
    pipeline,
    metrics,
    clock,
    errors,
    count: async (labels = {}) => (await metricValue(metrics, "mesh_server_requests_total", labels)) ?? 0,
  };
}

/** What a listener knows of a connection. */
export function connectionFrom(
  remoteAddress: string,
  peer?: PeerIdentity,
): { readonly connection: Connection } {
  return { connection: { remoteAddress, encrypted: peer !== undefined, httpVersion: "1.1", peer } };
}

/** The identity of a certificate with that common name. */
export function peerNamed(commonName: string): PeerIdentity {
  return {
    subject: `CN=${commonName}`,
    commonName,
    subjectAltNames: { dns: [], uri: [], ip: [], email: [] },
    spiffeId: undefined,
    fingerprint256: "00".repeat(32),
  };
}

/** The problem that a response carries; fails when it carries none. */
export async function problemOf(response: Response): Promise<Record<string, unknown>> {
  const type = response.headers.get("content-type");
  if (type !== "application/problem+json")
    throw new Error(`The response is ${response.status} ${type}, no problem`);
  const problem = (await response.json()) as Record<string, unknown>;
  if (problem.status !== response.status)
    throw new Error(`The problem says ${problem.status}, the response ${response.status}`);
  return problem;
}
