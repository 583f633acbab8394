import type { EndpointState } from "../balance/balancer.ts";
import { EndpointRegistry, type EndpointStatus } from "../balance/endpoint-registry.ts";
import type { Call, CallEventListener } from "../core/call.ts";
import { MeshError } from "../core/errors.ts";
import type { MeshEvent } from "../core/events.ts";
import type { TlsOptions } from "../core/identity.ts";
import { checkOptions, type OptionKeys } from "../core/options.ts";
import type { Resolver } from "../discovery/resolver.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import type { ConnectOptions, Runtime } from "../net/port.ts";
import type { HttpResponse, HttpTransport } from "../rest/http-transport.ts";
import { createMeshFetch, type MeshFetch } from "../rest/mesh-fetch.ts";
import { createRestClient, type RestClient, type RestDefaults } from "../rest/rest-client.ts";
import { isRestReplayable, type RestRequest } from "../rest/rest-request.ts";
import { discardResponse } from "../rest/transport-response.ts";
import { createTransportService } from "../rest/transport-service.ts";
import { defaultMaxMessageBytes } from "../rpc/client/fetch-rpc-transport.ts";
import { createMeshTransport } from "../rpc/client/mesh-transport.ts";
import {
  CapableProtocol,
  fixedProtocol,
  type ProtocolNegotiation,
} from "../rpc/client/protocol-negotiation.ts";
import { rpcUserLayerDialect } from "../rpc/client/response-stream.ts";
import { isRpcReplayable, type RpcRequest, type RpcResponse } from "../rpc/client/rpc-request.ts";
import { checkTransportEncoding } from "../rpc/client/transport-settings.ts";
import { rpcHealth } from "../rpc/health/rpc-health.ts";
import { writeContext } from "../telemetry/propagation.ts";
import { registryEvents } from "./mesh-events.ts";
import type { MeshTransport, TransportOptions } from "./options.ts";
import { Pipeline, type PipelineDialect, type PipelineParts } from "./pipeline.ts";
import { type RpcTransportSettings, RpcTransports } from "./rpc-transports.ts";

/** What the clients of a mesh are made of. */
export interface ClientParts extends Omit<PipelineParts, "registry"> {
  readonly runtime: Runtime;
  readonly resolver: Resolver;
  /** The identity as of now. */
  readonly tls: () => TlsOptions | undefined;
  readonly maxConnectionsPerEndpoint: number;
  readonly idleTimeoutMs: number | undefined;
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

const knownTransportOptions: OptionKeys<TransportOptions> = {
  protocol: true,
  useBinaryFormat: true,
  useHttpGet: true,
  maxMessageBytes: true,
  interceptors: true,
  httpVersion: true,
  sendCompression: true,
  acceptCompression: true,
  compressMinBytes: true,
  maxSendBytes: true,
  keepalive: true,
  verifyAfterIdleMs: true,
  pingTimeoutMs: true,
  jsonOptions: true,
  binaryOptions: true,
};

/** HTTP/1.1 knows none. */
const noPings = { keepalive: undefined, verifyAfterIdleMs: undefined, pingTimeoutMs: undefined } as const;

/** What the trace needs; nothing else of a call's context leaves the mesh. */
const outsideHeaders: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);

const restDialect: PipelineDialect<HttpResponse> = {
  replayable: isRestReplayable,
  discard: discardResponse,
  outcomeOf: ({ status, headers }: HttpResponse) =>
    status < 400 ? undefined : outcomeOfStatus(status, headers),
  adopt(call, response) {
    call.end(outcomeOfStatus(response.status, response.headers));
    return response;
  },
  follow: (call, response) =>
    Object.defineProperty(response, "settled", { get: () => call.outcome !== undefined, configurable: true }),
};
const rpcDialect: PipelineDialect<RpcResponse> = {
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
  const { maxConnectionsPerEndpoint, idleTimeoutMs } = given;
  const connection = { maxConnectionsPerEndpoint, idleTimeoutMs, clock };
  const transports = new RpcTransports((options) =>
    runtime.openRpcTransport({ ...options, tls: given.tls(), onConnection }),
  );
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
  /** Origins outside of the mesh: the platform's own roots, no client certificate, nothing that layers would add. */
  function outsidePipeline(): Pipeline<RestRequest, HttpResponse> {
    if (outside === undefined) {
      if (given.tls() !== undefined)
        outsideHttp = runtime.openHttpTransport({ tls: undefined, onConnection, ...connection });
      const isSent = (header: string): boolean => outsideHeaders.has(header);
      outside = restPipeline(outsideHttp ?? meshHttp, isSent, { ...parts, layers: {} });
    }
    return outside;
  }

  const stops = [
    policies.watch(() => registry.applyPolicies()),
    metrics.watchSessions(() => transports.states()),
    metrics.watchBreakers(() => registry.endpoints()),
  ];

  return {
    rest: (service, defaults) =>
      createRestClient({
        service: checkService(service),
        send: rest.toService(service),
        clock,
        current,
        onEvent,
        policyOf: (method, target, operation) => policies.forRest(service, method, target, operation),
        ...(defaults && { defaults }),
      }),
    transport(service, options = {}) {
      const name = checkService(service);
      checkOptions("a transport", options, knownTransportOptions);
      const settings = rpcSettings(options, connection);
      const negotiation = protocolFor(runtime, options, {
        transports,
        settings,
        endpoints: () => registry.service(name)?.records,
      });
      const transport = createMeshTransport({
        service: name,
        pipeline: (next) => new Pipeline<RpcRequest, RpcResponse>(parts, rpcDialect, next).toService(name),
        transportFor: (origin, server) => negotiation.transportFor(origin, server),
        protocol: () => negotiation.protocol,
        faultOf: (error) => runtime.faultOf(error),
        decorate: (call, header) => writeContext(call, (field, value) => header.set(field, value), clock),
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
      const closing = [registry, meshHttp, outsideHttp, transports, policies].map(async (each) =>
        each?.close(),
      );
      // All of it, whatever one of them says.
      await Promise.allSettled(closing);
      await Promise.all(closing);
    },
  };
}

function checkService(service: string): string {
  if (typeof service === "string" && service !== "") return service;
  throw new TypeError(
    `Cannot make a client: the service's name is ${JSON.stringify(service)}; pass the name that the resolver knows it by`,
  );
}

/** How the RPC transports of {@link TransportOptions} speak; an option that is undefined is left out. */
function rpcSettings(
  options: TransportOptions,
  connection: Omit<ConnectOptions, "tls">,
): RpcTransportSettings {
  const { protocol: _, interceptors: __, ...wire } = options;
  const said = Object.entries(wire).filter(([, value]) => value !== undefined);
  return {
    useBinaryFormat: true,
    maxMessageBytes: defaultMaxMessageBytes,
    useHttpGet: false,
    ...Object.fromEntries(said),
    ...connection,
  };
}

interface NegotiationParts {
  readonly transports: RpcTransports;
  readonly settings: RpcTransportSettings;
  readonly endpoints: () => readonly EndpointState[] | undefined;
}

function protocolFor(
  runtime: Runtime,
  options: TransportOptions,
  { transports, settings, endpoints }: NegotiationParts,
): ProtocolNegotiation {
  const { protocol, httpVersion } = options;
  const { grpcClient } = runtime.capabilities;
  checkTransportEncoding(options, protocol, { name: runtime.name, fetchOnly: !grpcClient });
  const openTransport = transports.opener(settings);
  if (protocol === undefined) {
    if (!grpcClient || httpVersion === "1.1") return fixedProtocol("connect", openTransport);
    const openHttp1 =
      httpVersion === undefined
        ? transports.opener({ ...settings, httpVersion: "1.1", ...noPings })
        : undefined;
    return new CapableProtocol(endpoints, openTransport, openHttp1, settings.clock);
  }
  if (protocol !== "grpc" && protocol !== "grpc-web" && protocol !== "connect") {
    throw new TypeError(
      `Cannot make a transport: protocol is ${JSON.stringify(protocol)}; pass "grpc", "grpc-web" or "connect"`,
    );
  }
  if (protocol !== "connect" && options.useHttpGet === true) {
    throw new TypeError(
      `Cannot make a transport: useHttpGet is true with protocol "${protocol}", which knows no GET; use protocol "connect"`,
    );
  }
  if (protocol === "grpc" && !grpcClient) {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot call gRPC on ${runtime.name}: its fetch shows no trailers; use protocol "connect" or "grpc-web"`,
    );
  }
  return fixedProtocol(protocol, openTransport);
}
