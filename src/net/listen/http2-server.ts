import type { Socket } from "node:net";
import type { ConnectionHandler, ConnectionOptions } from "../../http/http2/connection-options.ts";
import { Http2Error } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream } from "../../http/http2/streams/stream.ts";
import type { ServerKeepalive } from "../port.ts";
import { connectionOver } from "../socket-transport.ts";
import { type ConnectionRecord, tellOfConnection } from "./connections.ts";
import type { ListenerContext } from "./listener-context.ts";
import { limits } from "./listener-limits.ts";

const connectionOptions: Omit<ConnectionOptions, "clock"> = {
  role: "server",
  maxStreams: limits.concurrentStreams,
  maxHeaderListBytes: limits.headerBytes,
  streamWindowBytes: limits.streamWindowBytes,
  connectionWindowBytes: limits.sessionWindowBytes,
  settingsTimeoutMs: limits.settingsTimeoutMs,
  maxQueuedBytes: limits.queuedBytes,
  stalledMs: limits.stalledMs,
  slowBodyMs: limits.slowBodyMs,
  minProgressBytes: limits.minProgressBytes,
  headersTimeoutMs: limits.headersTimeoutMs,
  idleMs: limits.sessionIdleMs,
};

/** After so much silence a client with open streams is asked whether it lives, where nobody says otherwise. */
const defaultKeepalive: Required<ServerKeepalive> = { intervalMs: 300_000, timeoutMs: 60_000 };
const defaultPingTimeoutMs = 15_000;

function optionsFor({
  keepalive = defaultKeepalive,
  idleTimeoutMs,
}: ListenerContext): typeof connectionOptions {
  if (keepalive === defaultKeepalive && idleTimeoutMs === undefined) return connectionOptions;
  const { intervalMs, timeoutMs = defaultPingTimeoutMs } = keepalive;
  return {
    ...connectionOptions,
    idleMs: idleTimeoutMs ?? limits.sessionIdleMs,
    keepalive: { intervalMs, timeoutMs },
  };
}

/** Follows one connection of a listener. */
class ServedConnection implements ConnectionHandler {
  readonly #context: ListenerContext;
  readonly #record: ConnectionRecord;

  constructor(context: ListenerContext, record: ConnectionRecord) {
    this.#context = context;
    this.#record = record;
  }

  onStream(stream: Http2Stream, fields: Fields, ended: boolean): void {
    this.#context.connections.begin(this.#record);
    this.#context.onStream(stream, fields, ended, this.#record);
  }

  onStreamClose(): void {
    this.#context.connections.end(this.#record);
  }

  onSettings(): void {}

  onError(error: unknown): void {
    this.#context.onHandlerError(error);
  }

  onGoaway(): void {
    // A client that sends GOAWAY closes when it has its responses.
  }

  onClose(error: Error | undefined): void {
    if (error !== undefined) {
      const kind = error instanceof Http2Error ? "protocol" : "socket";
      this.#context.onConnectionError(kind, error, this.#record.remoteAddress);
    }
  }
}

/**
 * Serves HTTP/2 on a connected socket.
 *
 * @param head - bytes of the connection that were read before
 */
export function serveHttp2(socket: Socket, context: ListenerContext, head?: Uint8Array): void {
  const record = context.connections.of(socket);
  socket.setNoDelay(true);
  const handler = new ServedConnection(context, record);
  const session = connectionOver(socket, handler, optionsFor(context), context.clock);
  record.session = session;
  tellOfConnection(record, context);
  // The session keeps the time itself.
  socket.setTimeout(0);
  if (context.connections.draining) session.close();
  if (head !== undefined) session.receive(head);
}
