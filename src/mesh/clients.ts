import { SubchannelReaper } from "../balance/subchannel-reaper.ts";
import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { MeshError } from "../core/errors.ts";
import type { TlsIdentity } from "../core/identity.ts";
import type { Layer, Service } from "../core/service.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { ConnectOptions, Runtime } from "../net/port.ts";
import type { HttpResponse, HttpTransport } from "../rest/http-transport.ts";
import { createMeshFetch, type MeshFetch } from "../rest/mesh-fetch.ts";
import { createRestClient, type RestClient, type RestDefaults } from "../rest/rest-client.ts";
import { isReplayable as isRestReplayable, type RestRequest } from "../rest/rest-request.ts";
import { discardResponse } from "../rest/transport-response.ts";
import { createTransportService } from "../rest/transport-service.ts";
import { defaultMaxMessageBytes } from "../rpc/client/fetch-rpc-transport.ts";
import { createMeshTransport } from "../rpc/client/mesh-transport.ts";
import {
  CapableProtocol,
  fixedProtocol,
  type OpenTransport,
  type ProtocolNegotiation,
} from "../rpc/client/protocol-negotiation.ts";
import {
  isReplayable as isRpcReplayable,
  type RpcRequest,
  type RpcResponse,
} from "../rpc/client/rpc-request.ts";
import { checkTransportEncoding } from "../rpc/client/transport-settings.ts";
import { rpcHealth } from "../rpc/health/rpc-health.ts";
import { writeContext } from "../telemetry/propagation.ts";
import type { ClientPolicy, MeshTransport, TransportOptions } from "./options.ts";
import { clientPipeline, type Pipeline, type PipelineDialect, type PipelineParts } from "./pipeline.ts";
import { type RpcTransportSettings, RpcTransports } from "./rpc-transports.ts";
import { UnknownServices } from "./unknown-services.ts";

/** What the clients of a mesh are made of. */
export interface ClientParts extends PipelineParts {
  readonly runtime: Runtime;
  readonly tls: TlsIdentity | undefined;
  readonly maxConnectionsPerEndpoint: number;
  readonly idleTimeoutMs: number | undefined;
  readonly policyOf: (service: string) => ClientPolicy;
  readonly current: () => Call | undefined;
}

/** The client half of a mesh: one pipeline for each service and dialect, over shared connections. */
export interface Clients {
  rest(service: string, defaults?: RestDefaults): RestClient;
  transport(service: string, options?: TransportOptions): MeshTransport;
  readonly fetch: MeshFetch;
  close(): Promise<void>;
}

/** A pipeline that ends in a connection. */
interface RestPath extends Pick<Pipeline, "endpoints"> {
  readonly send: Service<RestRequest, HttpResponse>;
}

const defaultTimeoutMs = 30_000;

/** Pipelines to origins that discovery does not know are kept for so many of them. */
const maxDirectOrigins = 256;

/** HTTP/1.1 knows none. */
const noPings = { keepalive: undefined, verifyAfterIdleMs: undefined, pingTimeoutMs: undefined } as const;

/** What the trace needs; nothing else of a call's context leaves the mesh. */
const outsideHeaders: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);

/**
 * Makes the clients. Connections open with the first call; a broken identity fails here.
 *
 * @throws MeshError `ERR_TLS_CONFIG`, or `ERR_CAPABILITY` where the runtime cannot use PEM
 */
export function createClients(given: ClientParts): Clients {
  const transports = new RpcTransports((options) => given.runtime.openRpcTransport(options));
  // The connections of REST need no looking after: unused ones end by themselves, and the pool of an origin with its last one.
  const reaper = new SubchannelReaper({
    discovery: given.discovery,
    clock: given.clock,
    release: (origin) => transports.release(origin),
  });
  const parts: ClientParts = { ...given, discovery: reaper.discovery };
  const { runtime, tls, clock, current, policyOf, maxConnectionsPerEndpoint, idleTimeoutMs } = parts;
  const connection = { maxConnectionsPerEndpoint, idleTimeoutMs, clock };
  const timeoutOf = (service: string): number => policyOf(service).timeoutMs ?? defaultTimeoutMs;
  const restDialect: PipelineDialect = {
    replayable: isRestReplayable,
    discard: discardResponse,
  };
  const rpcDialect: PipelineDialect = { replayable: isRpcReplayable };

  const meshTransport = runtime.openHttpTransport({ tls, ...connection });
  /** For origins outside of the mesh: the platform's own roots, and no client certificate. */
  let outsideTransport: HttpTransport | undefined;
  const toEndpoint = createTransportService({
    transport: meshTransport,
    maxConnectionsPerEndpoint,
    clock,
    decorate: (call, headers) =>
      writeContext(
        call,
        (name, value) => {
          headers[name] = value;
        },
        clock,
      ),
  });

  function restPath(service: string, discovery: Discovery, transport: RestPath["send"]): RestPath {
    const pipeline = clientPipeline(policyOf(service), { ...parts, discovery }, restDialect);
    return { send: pipeline(transport), endpoints: pipeline.endpoints };
  }

  const unknown = new UnknownServices(parts);
  const paths = new Map<string, RestPath>();
  function sendFor(service: string): RestPath["send"] {
    let path = paths.get(service);
    if (path === undefined) {
      if (!unknown.knows(service)) return unknown.until(service, () => sendFor(service));
      path = restPath(service, parts.discovery, toEndpoint);
      paths.set(service, path);
    }
    return path.send;
  }

  const direct = new Map<string, RestPath>();
  function sendToOrigin(origin: string): RestPath["send"] {
    let path = direct.get(origin);
    if (path === undefined) {
      outsideTransport ??=
        tls === undefined ? meshTransport : runtime.openHttpTransport({ tls: undefined, ...connection });
      const endpoints = [{ origin }];
      const toOrigin = createTransportService({
        transport: outsideTransport,
        maxConnectionsPerEndpoint,
        clock,
        decorate: (call, headers) =>
          writeContext(
            call,
            (name, value) => {
              if (outsideHeaders.has(name)) headers[name] = value;
            },
            clock,
          ),
      });
      path = restPath(new URL(origin).host, { endpoints: () => endpoints }, toOrigin);
      const [oldest] = direct.keys();
      if (direct.size >= maxDirectOrigins && oldest !== undefined) direct.delete(oldest);
      direct.set(origin, path);
    }
    return path.send;
  }

  const rpcPipelines = new Map<string, Pipeline>();
  function rpcPipeline(service: string): Layer {
    let pipeline = rpcPipelines.get(service);
    if (pipeline === undefined) {
      if (!unknown.knows(service)) return unknown.layerUntil(service, () => rpcPipeline(service));
      pipeline = clientPipeline(policyOf(service), parts, rpcDialect);
      rpcPipelines.set(service, pipeline);
    }
    return pipeline;
  }

  const stopWatching = parts.metrics.watchSessions(() => transports.states());
  const stopWatchingBreakers = parts.metrics.watchBreakers(() =>
    [...paths.values(), ...direct.values(), ...rpcPipelines.values()].flatMap((each) => each.endpoints()),
  );

  return {
    rest: (service, defaults) =>
      createRestClient({
        service: checkService(service),
        send: sendFor(service),
        clock,
        current,
        timeoutMs: timeoutOf(service),
        ...(defaults && { defaults }),
      }),
    transport(service, options = {}) {
      const name = checkService(service);
      const settings = rpcSettings(options, { tls, ...connection });
      const choice = protocolFor(runtime, options, () => parts.discovery.endpoints(name), {
        openTransport: transports.opener(settings),
        openHttp1: transports.opener({ ...settings, httpVersion: "1.1", ...noPings }),
        clock,
      });
      const transport = createMeshTransport({
        service: name,
        pipeline: rpcPipeline(name) as Layer<RpcRequest, RpcResponse>,
        transportFor: (origin) => choice.transportFor(origin),
        protocol: () => choice.protocol,
        faultOf: (error) => runtime.faultOf(error),
        decorate: (call, header) => writeContext(call, (field, value) => header.set(field, value), clock),
        currentCall: current,
        defaultTimeoutMs: timeoutOf(name),
        ...(options.interceptors && { interceptors: options.interceptors }),
        clock,
      });
      return {
        ...transport,
        service: name,
        get protocol() {
          return choice.protocol;
        },
        health: (how) => rpcHealth(transport, how),
      };
    },
    fetch: createMeshFetch({ sendFor, sendToOrigin, clock, current, timeoutMs: timeoutOf }),
    async close() {
      reaper.close();
      await Promise.all([meshTransport.close(), outsideTransport?.close(), transports.close()]);
      stopWatching();
      stopWatchingBreakers();
    },
  };
}

function checkService(service: string): string {
  if (typeof service === "string" && service !== "") return service;
  throw new TypeError(
    `Cannot make a client: the service's name is ${JSON.stringify(service)}; pass the name that discovery knows it by`,
  );
}

/** What a transport's options say to its leaves; undefined is said by leaving it out. */
function rpcSettings(options: TransportOptions, connection: ConnectOptions): RpcTransportSettings {
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

function protocolFor(
  runtime: Runtime,
  options: TransportOptions,
  endpoints: () => readonly Endpoint[] | undefined,
  {
    openTransport,
    openHttp1,
    clock,
  }: { readonly openTransport: OpenTransport; readonly openHttp1: OpenTransport; readonly clock: Clock },
): ProtocolNegotiation {
  const { protocol, httpVersion } = options;
  const { grpcClient } = runtime.capabilities;
  checkTransportEncoding(options, protocol, { name: runtime.name, fetchOnly: !grpcClient });
  if (protocol === undefined) {
    return grpcClient && httpVersion !== "1.1"
      ? new CapableProtocol(
          endpoints,
          openTransport,
          httpVersion === undefined ? openHttp1 : undefined,
          clock,
        )
      : fixedProtocol("connect", openTransport);
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
