import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isTransportError } from "../../core/errors.ts";
import { faultOf, faultOfConnect } from "../platform/socket-fault.ts";
import type { ConnectOptions } from "../port.ts";
import { tlsFailure } from "../tls/client-failure.ts";
import { tlsErrorIn } from "../tls/tls-failure.ts";

/** Told of the connections of a client; undefined when nobody listens. */
export type OnConnection = ConnectOptions["onConnection"];

/** The error of TLS that failed, with the reason. */
function named(origin: string, error: unknown): unknown {
  const found = isTransportError(error) ? undefined : tlsErrorIn(error);
  if (found === undefined) return error;
  return tlsFailure(`Cannot connect to ${origin}`, { origin, tls: undefined }, found.reason, found.error);
}

/** Tells that no connection to an origin could be made. */
export function tellFailed(onConnection: OnConnection, origin: string, error: unknown): void {
  if (onConnection === undefined) return;
  const reason = (isTransportError(error) ? error.fault : faultOfConnect(error)) ?? "unknown";
  if (reason === "tls")
    onConnection({ type: "tls-failed", side: "client", remote: origin, error: named(origin, error) });
  else onConnection({ type: "connection-failed", side: "client", remote: origin, reason, error });
}

/** Tells that a connection is there. */
export function tellOpened(onConnection: OnConnection, origin: string, httpVersion: string): void {
  const encrypted = origin.startsWith("https:");
  onConnection?.({ type: "connection-opened", side: "client", remote: origin, httpVersion, encrypted });
}

/** Tells that a connection is gone, and why it broke if it did: a server may refuse a certificate after the handshake. */
export function tellClosed(onConnection: OnConnection, origin: string, error: unknown): void {
  if (onConnection === undefined) return;
  const facts = { side: "client", remote: origin } as const;
  if (error !== undefined && faultOf(error) === "tls")
    onConnection({ type: "tls-failed", ...facts, error: named(origin, error) });
  onConnection({ type: "connection-closed", ...facts, ...(error !== undefined && { error }) });
}

/** Tells of a connection of HTTP/1.1: of one that is about to be made, or is `open` already. */
export function followSocket(
  socket: Socket,
  origin: string,
  onConnection: OnConnection,
  { open = false }: { readonly open?: boolean } = {},
): void {
  if (onConnection === undefined) return;
  let opened = open;
  let failure: Error | undefined;
  const begin = (): void => {
    opened = true;
    tellOpened(onConnection, origin, "1.1");
  };
  if (open) begin();
  else socket.once((socket as Partial<TLSSocket>).encrypted === true ? "secureConnect" : "connect", begin);
  socket.once("error", (error) => {
    failure = error;
  });
  socket.once("close", () => {
    if (opened) tellClosed(onConnection, origin, failure);
    else tellFailed(onConnection, origin, failure ?? new Error("the connection was closed"));
  });
}
