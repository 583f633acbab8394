import { addressSet } from "../../core/address-ranges.ts";
import { systemClock } from "../../core/clock.ts";
import { MeshError } from "../../core/errors.ts";
import { quietHook } from "../../core/hooks.ts";
import { clientRoots } from "../../core/tls-options.ts";
import { lightRequest, platformRequest } from "../fetch/light-request.ts";
import { installLightGlobals } from "../fetch/light-response.ts";
import type { Listener, ListenOptions, ServerTls } from "../port.ts";
import { checkTls } from "../tls/check-tls.ts";
import { acceptingServer } from "./accept.ts";
import { Connections } from "./connections.ts";
import { type Application, http1Handler, http2Handler } from "./dispatch-request.ts";
import { http1LimitsFrom } from "./http1-server.ts";
import type { ListenerContext } from "./listener-context.ts";
import { listenerOf, type OpenPort, openPort } from "./open-port.ts";

/** Responds on the gRPC port of a split listener to what is no RPC. */
function notHere(): Response {
  return new Response(null, { status: 404 });
}

/** One failure shows on the socket, on the session and on the server; it is told once, by its first kind. */
function reportOnce(report: ListenOptions["onConnectionError"]): ListenOptions["onConnectionError"] {
  const told = new WeakSet<object>();
  return (kind, error, remoteAddress) => {
    if (error instanceof Error) {
      if (told.has(error)) return;
      told.add(error);
      if (error.cause instanceof Error) told.add(error.cause);
    }
    report(kind, error, remoteAddress);
  };
}

/** @throws MeshError `ERR_TLS_CONFIG` also for what only a server needs: a certificate, and authorities of its clients */
function checkServerTls({ clientAuth, ...tls }: ServerTls): void {
  checkTls(tls);
  if (tls.cert === undefined) {
    throw new MeshError(
      "ERR_TLS_CONFIG",
      "Cannot serve over TLS: tls has no certificate; give tls.cert and tls.key",
    );
  }
  if (clientAuth !== "none" && clientRoots(tls).length === 0) {
    throw new MeshError(
      "ERR_TLS_CONFIG",
      `Cannot serve with clientAuth "${clientAuth}": tls.ca names no authority that issues clients' certificates; give one as PEM text, or clientAuth: "none"`,
    );
  }
}

/** Opens the port or the two ports that the options ask for. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { tls, ports, hostname, fetch, rpc, limits = {}, clock = systemClock } = options;
  const { overrideGlobalObjects = true } = options;
  const sendsProxyHeader =
    limits.proxyProtocol && addressSet("listener", "proxyProtocol", limits.proxyProtocol);
  const onConnectionError = reportOnce(quietHook(options.onConnectionError));
  const application: Application = {
    fetch,
    requestOf: overrideGlobalObjects ? lightRequest : platformRequest,
    rpc,
    clock,
    onHandlerError: quietHook(options.onHandlerError ?? (() => {})),
    onRequestRefused: options.onRequestRefused,
  };
  if (tls !== undefined) checkServerTls(tls);

  const open = (served: Application, port: number, onlyHttp2: boolean): Promise<OpenPort> => {
    if (!onlyHttp2 && overrideGlobalObjects) installLightGlobals();
    const { maxConnectionAgeMs = Infinity, maxConnectionAgeGraceMs = Infinity } = limits;
    const { idleTimeoutMs, keepalive } = limits;
    const connections = new Connections(clock, maxConnectionAgeMs, maxConnectionAgeGraceMs);
    const context: ListenerContext = {
      clock,
      sendsProxyHeader,
      http1Limits: http1LimitsFrom(idleTimeoutMs),
      idleTimeoutMs,
      keepalive,
      connections,
      onConnectionError,
      onConnection: options.onConnection,
      onHandlerError: served.onHandlerError,
      onHttp1: onlyHttp2 ? undefined : http1Handler(served),
      onStream: http2Handler(served),
    };
    return openPort(acceptingServer(tls, context), context, { hostname, port }, limits);
  };

  if ("all" in ports) {
    const port = await open(application, ports.all, false);
    return listenerOf(port, port);
  }
  const rest = await open(application, ports.rest, false);
  try {
    const fetch: Application["fetch"] = ({ method }, { remoteAddress }) => {
      options.onRequestRefused?.(remoteAddress, method, 404);
      return notHere();
    };
    return listenerOf(rest, await open({ ...application, fetch }, ports.grpc, true));
  } catch (error) {
    await rest.destroy();
    throw error;
  }
}
