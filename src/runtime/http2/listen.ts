import type { Server } from "node:net";
import type { Listener, ListenOptions } from "../port.ts";
import { Connections } from "./connections.ts";
import { installLightGlobals } from "./light-globals.ts";
import { listenerOf, type OpenPort, openPort } from "./open-port.ts";
import type { Application } from "./serve.ts";
import { http2Server, type ServerContext, secureServer } from "./servers.ts";
import { checkTlsIdentity } from "./tls-identity.ts";

/** What each runtime does in its own way. */
export interface ListenStrategy {
  /** Flow-control window of an HTTP/2 connection; undefined leaves it to the runtime. */
  readonly sessionWindowBytes: number | undefined;
  /** A server in the clear that tells HTTP/1.1 and HTTP/2 apart by the first bytes. */
  plainServer(context: ServerContext): Server | Promise<Server>;
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
    const context: ServerContext = {
      application,
      connections,
      onConnectionError,
      sessionWindowBytes: strategy.sessionWindowBytes,
    };
    const server =
      tls !== undefined
        ? secureServer(tls, context, { allowHttp1: protocols === "all" })
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
