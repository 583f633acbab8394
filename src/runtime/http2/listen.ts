import type { Server } from "node:net";
import type { Listener, ListenOptions, ServerTls } from "../port.ts";
import { Connections } from "./connections.ts";
import { installLightGlobals } from "./light-globals.ts";
import type { ListenerContext } from "./listener-context.ts";
import { listenerOf, type OpenPort, openPort } from "./open-port.ts";
import { type Application, http2Handler } from "./serve.ts";
import { http2Server, secureHttp2Server, secureServer } from "./servers.ts";
import { checkTlsIdentity } from "./tls-identity.ts";

/** What each runtime does in its own way. */
export interface ListenStrategy {
  /** A server in the clear that tells HTTP/1.1 and HTTP/2 apart by the first bytes. */
  plainServer(context: ListenerContext): Server | Promise<Server>;
  /** The same over TLS, told apart by ALPN; without it, Node's own server for HTTPS does it. */
  secureServer?(tls: ServerTls, context: ListenerContext): Server;
  /**
   * The native server for the REST half of a split listener; undefined where it cannot do what is asked
   * (demand and show client certificates), and the one-port server takes its place.
   */
  openNative(options: ListenOptions, port: number): Promise<OpenPort> | undefined;
}

/** Answers on the gRPC port of a split listener what is no RPC. */
function notHere(): Response {
  return new Response(null, { status: 404 });
}

/** One failure shows on the socket, on the session and on the server; it is told once, by its first kind. */
function reportOnce(report: ListenOptions["onConnectionError"]): ListenOptions["onConnectionError"] {
  const told = new WeakSet<object>();
  return (kind, error) => {
    if (error instanceof Error) {
      if (told.has(error)) return;
      told.add(error);
    }
    report(kind, error);
  };
}

/** Opens the port or the two ports that the options ask for. */
export async function listen(options: ListenOptions, strategy: ListenStrategy): Promise<Listener> {
  const { tls, ports, hostname } = options;
  const onConnectionError = reportOnce(options.onConnectionError);
  if (tls !== undefined) checkTlsIdentity(tls);

  const open = async (
    application: Application,
    port: number,
    protocols: "all" | "http2",
  ): Promise<OpenPort> => {
    if (protocols === "all") installLightGlobals();
    const connections = new Connections();
    const context: ListenerContext = {
      application,
      connections,
      onConnectionError,
      onStream: http2Handler(application),
    };
    const server =
      tls !== undefined
        ? (protocols === "all" ? (strategy.secureServer ?? secureServer) : secureHttp2Server)(tls, context)
        : protocols === "all"
          ? await strategy.plainServer(context)
          : http2Server(context);
    return openPort(server, connections, { hostname, port }, (error) => onConnectionError("socket", error));
  };

  if ("all" in ports) {
    const port = await open(options, ports.all, "all");
    return listenerOf(port, port);
  }
  const rest = await (strategy.openNative(options, ports.rest) ?? open(options, ports.rest, "all"));
  try {
    const grpc = await open({ ...options, fetch: notHere }, ports.grpc, "http2");
    return listenerOf(rest, grpc);
  } catch (error) {
    await rest.destroy();
    throw error;
  }
}
