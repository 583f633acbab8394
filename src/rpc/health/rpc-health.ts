import { Code, ConnectError, createClient, createContextValues, type Transport } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { isMeshError } from "../../core/errors.ts";
import { checkOptions, type OptionKeys } from "../../core/options.ts";
import {
  Health,
  type HealthCheckResponse_ServingStatus,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { meshCallOptions } from "../context.ts";

/** What a service says of itself by gRPC's standard health service. */
export interface RpcHealth {
  /** Whether anything responded. */
  readonly live: boolean;
  /** Whether it wants traffic. */
  readonly ready: boolean;
  /**
   * `service_unknown` when the server does not know the service of `of`; `unknown` when it responds, but not to
   * this question; `unreachable` when it did not respond at all.
   */
  readonly status: "serving" | "not_serving" | "service_unknown" | "unknown" | "unreachable";
  /** The name of the status that it gave; the failure's message when there was none. */
  readonly details: string;
}

/** Options of a health question by RPC. */
export interface RpcHealthOptions {
  /** Full name of the RPC service that is asked about. @default the whole server */
  readonly of?: string;
  /** For the question with all its attempts, in milliseconds. @default the policy's */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The call on whose behalf it is asked; `null` cuts the tie. @default the call whose handler runs now */
  readonly parent?: Call | null;
}

const knownHealthOptions: OptionKeys<RpcHealthOptions> = {
  of: true,
  timeoutMs: true,
  signal: true,
  parent: true,
};

const statuses: ReadonlyMap<HealthCheckResponse_ServingStatus, RpcHealth["status"]> = new Map([
  [Status.SERVING, "serving"],
  [Status.NOT_SERVING, "not_serving"],
  [Status.SERVICE_UNKNOWN, "service_unknown"],
]);

/** Asks `grpc.health.v1.Health/Check`, whatever protocol the transport speaks. */
export async function rpcHealth(transport: Transport, options: RpcHealthOptions = {}): Promise<RpcHealth> {
  checkOptions("a health question", options, knownHealthOptions);
  const { of: service = "", timeoutMs, signal, parent } = options;
  const contextValues = createContextValues().set(meshCallOptions, {
    // The standard's proto does not say so, but asking changes nothing.
    idempotent: true,
    ...(parent !== undefined && { parent }),
  });
  try {
    const response = await createClient(Health, transport).check(
      { service },
      { contextValues, ...(timeoutMs !== undefined && { timeoutMs }), ...(signal && { signal }) },
    );
    const status = statuses.get(response.status as HealthCheckResponse_ServingStatus) ?? "unknown";
    const details = Object.entries(Status).find(([, value]) => value === response.status)?.[0];
    return { live: true, ready: status === "serving", status, details: details ?? String(response.status) };
  } catch (error) {
    if (!(error instanceof ConnectError) || signal?.aborted === true) throw error;
    return { ready: false, ...withoutResponse(error), details: error.rawMessage };
  }
}

function withoutResponse(error: ConnectError): Pick<RpcHealth, "live" | "status"> {
  if (error.code === Code.Canceled) throw error;
  const lost = error.code === Code.Unavailable || error.code === Code.DeadlineExceeded;
  if (lost || isMeshError(error.cause)) return { live: false, status: "unreachable" };
  return { live: true, status: error.code === Code.NotFound ? "service_unknown" : "unknown" };
}
