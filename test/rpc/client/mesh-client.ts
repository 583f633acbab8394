import { type Client, createClient, type Transport } from "@connectrpc/connect";
import type { Call } from "../../../src/core/call.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { Outcome } from "../../../src/core/outcome.ts";
import { compose, type Layer } from "../../../src/core/service.ts";
import { type RetryOptions, retry } from "../../../src/policy/retry.ts";
import { timeout } from "../../../src/policy/timeout.ts";
import type { RpcFetch } from "../../../src/rpc/client/fetch-client.ts";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { createMeshTransport, type MeshTransportOptions } from "../../../src/rpc/client/mesh-transport.ts";
import { isRpcReplayable, type RpcRequest, type RpcResponse } from "../../../src/rpc/client/rpc-request.ts";
import type { RpcTransport } from "../../../src/rpc/client/rpc-transport.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { serveInProcess } from "../echo.ts";

/** A mesh client with a small pipeline, and what the pipeline saw. */
export interface MeshClient<C extends Clock = VirtualClock> {
  readonly clock: C;
  readonly transport: Transport;
  readonly client: Client<typeof EchoService>;
  /** The calls as the caller made them. */
  readonly calls: Call[];
  /** The attempts that reached the wire. */
  readonly attempts: Call[];
  /** How the only call ended. */
  readonly outcome: () => Outcome | undefined;
}

/** Options of {@link openClient}. */
export interface OpenClientOptions<C extends Clock = VirtualClock>
  extends Partial<Omit<MeshTransportOptions, "pipeline" | "clock">> {
  readonly clock?: C;
  readonly retry?: RetryOptions | false;
  /** Where attempts go, in turn. @default one endpoint */
  readonly origins?: readonly string[];
}

/** A transport to the EchoService, or to whatever `fetch` serves, without a socket. */
export function inProcessTransport(
  fetch: RpcFetch = serveInProcess().fetch,
  protocol: "connect" | "grpc-web" = "connect",
): RpcTransport {
  return createFetchRpcTransport({ fetch, options: { origin: "https://echo.test", protocol } });
}

/** Makes a client of the EchoService with deadline, retry and a picker of endpoints. */
export function openClient<C extends Clock = VirtualClock>(
  options: OpenClientOptions<C> = {},
): MeshClient<C> {
  const clock = options.clock ?? (new VirtualClock() as Clock as C);
  const { origins = ["https://a.test"], retry: retryOptions, clock: _, ...rest } = options;
  const calls: Call[] = [];
  const attempts: Call[] = [];
  const layers: Layer<RpcRequest, RpcResponse>[] = [
    (next) => (call, request) => {
      calls.push(call);
      return next(call, request);
    },
    timeout({ timeoutMs: Infinity, clock }),
  ];
  if (retryOptions !== false) {
    layers.push(
      retry({ backoff: () => 100, budget: false, replayable: isRpcReplayable, clock, ...retryOptions }),
    );
  }
  layers.push((next) => (call, request) => {
    const origin = origins[attempts.length % origins.length];
    if (origin !== undefined) call.endpoint = { origin };
    attempts.push(call);
    return next(call, request);
  });
  const rpcTransport = rest.transportFor === undefined ? inProcessTransport() : undefined;
  const transport = createMeshTransport({
    service: "echo",
    protocol: "connect",
    transportFor: () => rpcTransport as RpcTransport,
    ...rest,
    pipeline: compose(...layers),
    clock,
  });
  const client = createClient(EchoService, transport);
  return { clock, transport, client, calls, attempts, outcome: () => calls[0]?.outcome };
}
