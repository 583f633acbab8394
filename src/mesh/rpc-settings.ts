import type { EndpointState } from "../balance/balancer.ts";
import { MeshError } from "../core/errors.ts";
import { checkBoolean, checkFunctions, checkOptions, type OptionKeys } from "../core/options.ts";
import type { ConnectOptions, Runtime } from "../net/port.ts";
import { defaultMaxMessageBytes } from "../rpc/client/fetch-rpc-transport.ts";
import {
  CapableProtocol,
  fixedProtocol,
  type ProtocolNegotiation,
} from "../rpc/client/protocol-negotiation.ts";
import { checkTransportEncoding } from "../rpc/client/transport-settings.ts";
import type { TransportOptions } from "./options.ts";
import type { RpcTransportSettings, RpcTransports } from "./rpc-transports.ts";

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

/** @throws TypeError when there is no such option */
export function checkTransportOptions(options: TransportOptions): void {
  checkOptions("a transport", options, knownTransportOptions);
  checkBoolean("a transport", "useBinaryFormat", options.useBinaryFormat);
  checkBoolean("a transport", "useHttpGet", options.useHttpGet);
  checkFunctions("a transport", "interceptors", options.interceptors);
}

/** How the RPC transports of {@link TransportOptions} speak; an option that is undefined is left out. */
export function rpcSettings(
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

/** What the choice of a protocol goes by. */
export interface NegotiationParts {
  readonly transports: RpcTransports;
  readonly settings: RpcTransportSettings;
  readonly endpoints: () => readonly EndpointState[] | undefined;
}

/**
 * The protocol that a transport speaks: the one that its options name, or the best that both sides can.
 *
 * @throws TypeError | RangeError | MeshError when they ask for what cannot be
 */
export function protocolFor(
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
