import type { Agent } from "node:http";
import type { Socket } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import { faultOf, faultOfConnect } from "./fault.ts";
import { unavailable } from "./grpc/faults.ts";

/** Errors of sockets that were never connected, or whose TLS handshake did not succeed. */
export type ConnectingErrors = WeakSet<object>;

/**
 * Remembers which errors an agent's sockets raised before a request could be written to them: the code alone does not
 * tell, a handshake that is cut off is a `ECONNRESET` as well.
 */
export function watchConnecting(agent: Agent): ConnectingErrors {
  const errors: ConnectingErrors = new WeakSet();
  const create = agent.createConnection.bind(agent) as (...args: unknown[]) => Socket | undefined;
  Object.assign(agent, {
    createConnection(...args: unknown[]): Socket | undefined {
      const socket = create(...args);
      if (socket !== undefined && socket !== null) {
        const failed = (error: object): void => void errors.add(error);
        socket.prependListener("error", failed);
        socket.once("encrypted" in socket ? "secureConnect" : "connect", () => socket.off("error", failed));
      }
      return socket;
    },
  });
  return errors;
}

const deepestCause = 6;

function isConnecting(error: unknown, connecting: ConnectingErrors): boolean {
  let at = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    if (connecting.has(at)) return true;
    at = at.cause;
  }
  return false;
}

/**
 * What Connect's client for `node:http` raised, as `unavailable` with what the fault proves where it was the connection's:
 * its own codes for those (`aborted`, `internal`) would pass for the server's word.
 */
export function connectionError(origin: string, error: unknown, connecting: ConnectingErrors): unknown {
  const fault = isConnecting(error, connecting) ? faultOfConnect(error) : faultOf(error);
  if (fault === undefined) return error;
  const message = error instanceof ConnectError ? error.rawMessage : (error as Error).message;
  return unavailable(`Cannot reach ${origin}: ${message}`, fault, error);
}
