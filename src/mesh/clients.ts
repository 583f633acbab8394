import {
  EndpointRegistry,
  type EndpointStatus,
  type EndpointTransports,
} from "../balance/endpoint-registry.ts";
import type { Call, CallEventListener } from "../core/call.ts";
import type { MeshEvent } from "../core/events.ts";
import type { TlsOptions } from "../core/identity.ts";
import type { Resolver } from "../discovery/resolver.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import type { Runtime } from "../net/port.ts";
import type { UserLayerDialect } from "../policy/user-layers.ts";
import type { HttpResponse, HttpTransport } from "../rest/http-transport.ts";
import { createMeshFetch, type MeshFetch } from "../rest/mesh-fetch.ts";
import { createRestClient, type RestClient, type RestDefaults } from "../rest/rest-client.ts";
import { restHooks } from "../rest/rest-hooks.ts";
import { isRestReplayable, type RestRequest } from "../rest/rest-request.ts";
import { discardResponse } from "../rest/transport-response.ts";
import { createTransportService } from "../rest/transport-service.ts";
import { createMeshTransport } from "../rpc/client/mesh-transport.ts";
import { rpcUserLayerDialect } from "../rpc/client/response-stream.ts";
import { isRpcReplayable, type RpcRequest, type RpcResponse } from "../rpc/client/rpc-request.ts";
import { rpcHealth } from "../rpc/health/rpc-health.ts";
import { writeContext } from "../telemetry/propagation.ts";
import { clientTarget } from "./client-target.ts";
import { registryEvents } from "./mesh-events.ts";
import type { MeshTransport, TransportOptions } from "./options.ts";
import { Pipeline, type PipelineDialect, type PipelineParts } from "./pipeline.ts";
import { checkTransportOptions, protocolFor, rpcSettings } from "./rpc-settings.ts";
import { RpcTransports } from "./rpc-transports.ts";

/** What the clients of a mesh are made of. */
export interface ClientParts extends Omit<PipelineParts, "registry"> {
  readonly runtime: Runtime;
  readonly resolver: Resolver;
  /** The identity as of now. */
  readonly tls: () => TlsOptions | undefined;
  readonly maxConnectionsPerEndpoint: number;
  readonly idleTimeoutMs: number | undefined;
  readonly maxConnectionAgeMs: number | undefined;
  readonly current: () => Call | undefined;
  readonly onEvent: CallEventListener | undefined;
  /** Told of what belongs to no call; undefined when nobody listens. */
  readonly tell: ((event: MeshEvent) => void) | undefined;
}

/** The client half of a mesh: one registry of endpoints, over shared connections. */
export interface Clients {
  rest(service: string, defaults?: RestDefaults): RestClient;
  transport(service: string, options?: TransportOptions): MeshTransport;
  readonly fetch: MeshFetch;
  endpoints(): readonly EndpointStatus[];
  close(): Promise<void>;
}

/** What the trace needs; nothing else of a call's context leaves the mesh. */
const outsideHeaders: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);

const restLayerDialect: UserLayerDialect<HttpResponse> = {
  adopt(call, response) {
    call.end(outcomeOfStatus(response.status, response.headers));
    return response;
  },
  follow: (call, response) =>
    Object.defineProperty(response, "settled", { get: () => call.outcome !== undefined, configurable: true }),
};
const restDialect: PipelineDialect<RestRequest, HttpResponse> = {
  replayable: isRestReplayable,
  discard: discardResponse,
  outcomeOf: ({ status, headers }: HttpResponse) =>
    status < 400 ? undefined : outcomeOfStatus(status, headers),
  hooks: restHooks(restLayerDialect),
  ...restLayerDialect,
};
const rpcDialect: PipelineDialect<RpcRequest, RpcResponse> = {
  replayable: isRpcReplayable,
  ...rpcUserLayerDialect,
};

/**
 * Makes the clients. Connections open with the first call; a broken identity fails here.
 *
 * @throws MeshError `ERR_TLS_CONFIG`, or `ERR_CAPABILITY` where the runtime cannot use PEM
 */
export function createClients(given: ClientParts): Clients {
  const { runtime, policies, metrics, clock, random, current, onEvent, tell: onConnection } = given;
  const { maxConnectionsPerEndpoint, idleTimeoutMs, maxConnectionAgeMs } = given;
  const connection = { maxConnectionsPerEndpoint, idleTimeoutMs, maxConnectionAgeMs, clock };
  const rpcTransports = (tls: () => ReturnType<ClientParts["tls"]>): RpcTransports =>
    new RpcTransports((options) => runtime.openRpcTransport({ ...options, tls: tls(), onConnection }));
  const meshRpc = rpcTransports(given.tls);
  const outsideRpc = rpcTransports(() => undefined);
  const transports: EndpointTransports = {
    release(origin) {
      const released = meshRpc.release(origin);
      return outsideRpc.release(origin) && released;
    },
    *states() {
      yield* meshRpc.states();
      yield* outsideRpc.states();
    },
  };
  // The connections of REST need no looking after: unused ones end by themselves, and the pool of an origin with its last one.
  const registry = new EndpointRegistry({
    resolver: given.resolver,
    policyOf: (service) => policies.endpointsOf(service),
    transports,
    ...registryEvents(given.tell),
    clock,
    random,
  });
  const parts: PipelineParts = { ...given, registry };
  /** Nothing that layers would add is for others to see. */
  const outsideParts: PipelineParts = { ...parts, layers: {} };

  function restPipeline(
    transport: HttpTransport,
    isSent: (header: string) => boolean,
    each: PipelineParts,
  ): Pipeline<RestRequest, HttpResponse> {
    const decorate = (call: Call, headers: Record<string, string>): void =>
      writeContext(
        call,
        (name, value) => {
          if (isSent(name)) headers[name] = value;
        },
        clock,
      );
    const service = createTransportService({ transport, maxConnectionsPerEndpoint, clock, decorate });
    return new Pipeline(each, restDialect, service);
  }

  const meshHttp = runtime.openHttpTransport({ tls: given.tls(), onConnection, ...connection });
  const rest = restPipeline(meshHttp, () => true, parts);
  let outsideHttp: HttpTransport | undefined;
  let outside: Pipeline<RestRequest, HttpResponse> | undefined;
  /** Origins outside of the mesh: the platform's own roots, no client certificate. */
  function outsidePipeline(): Pipeline<RestRequest, HttpResponse> {
    if (outside === undefined) {
      if (given.tls() !== undefined)
        outsideHttp = runtime.openHttpTransport({ tls: undefined, onConnection, ...connection });
      outside = restPipeline(outsideHttp ?? meshHttp, (header) => outsideHeaders.has(header), outsideParts);
    }
    return outside;
  }

  const stops = [
    policies.watch(() => registry.applyPolicies()),
    metrics.watchSessions(() => transports.states()),
    metrics.watchBreakers(() => registry.endpoints()),
  ];

  return {
    rest(given, defaults) {
      const { service, origin, basePath } = clientTarget(given);
      return createRestClient({
        service,
        basePath,
        send: origin === undefined ? rest.toService(service) : outsidePipeline().toOrigin(origin),
        clock,
        current,
        onEvent,
        policyOf: (method, target, operation) => policies.forRest(service, method, target, operation),
        ...(defaults !== undefined && { defaults }),
      });
    },
    transport(given, options = {}) {
      const { service: name, origin, basePath } = clientTarget(given);
      if (basePath !== "") {
        throw new TypeError(
          `Cannot make a transport: the URL ${JSON.stringify(given)} has a path, which RPC has no place for; pass "${origin}"`,
        );
      }
      checkTransportOptions(options);
      const settings = rpcSettings(options, connection);
      const negotiation = protocolFor(runtime, options, {
        transports: origin === undefined ? meshRpc : outsideRpc,
        settings,
        endpoints: () => (origin === undefined ? registry.service(name) : registry.direct(origin))?.records,
      });
      const transport = createMeshTransport({
        service: name,
        pipeline: (next) =>
          origin === undefined
            ? new Pipeline<RpcRequest, RpcResponse>(parts, rpcDialect, next).toService(name)
            : new Pipeline<RpcRequest, RpcResponse>(outsideParts, rpcDialect, next).toOrigin(origin),
        transportFor: (origin, server) => negotiation.transportFor(origin, server),
        protocol: () => negotiation.protocol,
        faultOf: (error) => runtime.faultOf(error),
        decorate: (call, header) =>
          writeContext(
            call,
            origin === undefined
              ? (field, value) => header.set(field, value)
              : (field, value) => {
                  if (outsideHeaders.has(field)) header.set(field, value);
                },
            clock,
          ),
        currentCall: current,
        onEvent,
        policyOf: (operation) => policies.forRpc(name, operation),
        ...(options.interceptors && { interceptors: options.interceptors }),
        clock,
      });
      return {
        ...transport,
        service: name,
        get protocol() {
          return negotiation.protocol;
        },
        health: (how) => rpcHealth(transport, how),
      };
    },
    fetch: createMeshFetch({
      sendFor: (service) => rest.toService(service),
      sendToOrigin: (origin) => outsidePipeline().toOrigin(origin),
      clock,
      current,
      onEvent,
      policyOf: (...request) => policies.forRest(...request),
    }),
    endpoints: () => registry.endpoints(),
    async close() {
      for (const stop of stops) stop();
      const closing = [registry, meshHttp, outsideHttp, meshRpc, outsideRpc, policies].map(async (each) =>
        each?.close(),
      );
      // All of it, whatever one of them says.
      await Promise.allSettled(closing);
      await Promise.all(closing);
    },
  };
}
