import type { Agent } from "node:http";
import type { Socket } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../core/clock.ts";
import { unavailable } from "../../rpc/dialect/transport-faults.ts";
import { retirementFrom } from "../connection-age.ts";
import { faultOf, faultOfConnect, reasonOf } from "../platform/socket-fault.ts";
import { silentRefusal, type TlsTarget, tlsFailure, tlsRequired } from "../tls/client-failure.ts";
import { explain, isVague, mayWantTls } from "../tls/explain.ts";
import { expectsTls, tlsErrorIn } from "../tls/tls-failure.ts";
import { followSocket, type OnConnection } from "./connection-events.ts";
import type { IdleLimits } from "./idle-limits.ts";

/** Errors of sockets on which nothing of the request was written: what it says of the socket proves something then. */
export type UnsentErrors = WeakSet<object>;

/** Options of {@link watchSockets}. */
export interface WatchSocketsOptions {
  readonly origin: string;
  /** How long connections to the origin may be unused, as far as that was learned. */
  readonly limits: IdleLimits;
  readonly clock: Clock;
  /** How long a connection is given new requests. @default no limit */
  readonly maxConnectionAgeMs?: number | undefined;
  /** Told of each. */
  readonly onConnection: OnConnection;
}

/** What is known of a socket that was given back. */
interface Known {
  /** From then on it is given no new requests. */
  readonly retiresAt: number;
  /** When it was given back; undefined before the first time, and once it is of no use. */
  freeAt: number | undefined;
  /** How many bytes had been written and read by then. */
  written: number;
  read: number;
  /** Ends the wait for its end. */
  stopTimer: (() => void) | undefined;
}

/**
 * Looks after the sockets of an agent: takes those out at once that the other side has ended, which the agent would still
 * give to requests for a moment, and remembers which errors came before anything of a request was written. The code alone
 * does not tell: a TLS handshake that is cut off is an `ECONNRESET` as well.
 */
export function watchSockets(agent: Agent, options: WatchSocketsOptions): UnsentErrors {
  const { origin, limits, clock, onConnection } = options;
  const errors: UnsentErrors = new WeakSet();
  const sockets = new WeakMap<Socket, Known>();

  function watch(socket: Socket): void {
    const retiresAt = retirementFrom(clock.now(), options.maxConnectionAgeMs);
    const known: Known = { retiresAt, freeAt: undefined, written: 0, read: 0, stopTimer: undefined };
    sockets.set(socket, known);
    let unsent = true;
    const isUnused = (): boolean => known.freeAt !== undefined && socket.bytesWritten === known.written;
    /** Learns from an end that came while it was unused, or from a request that was lost on it. */
    const learn = (): void => {
      if (known.freeAt === undefined || socket.bytesRead !== known.read) return;
      const now = clock.now();
      limits.closedAfter(origin, now - known.freeAt, now);
      known.freeAt = undefined;
    };
    socket.prependListener("error", (error: NodeJS.ErrnoException) => {
      if (unsent) errors.add(error);
      else if (error.code === "ECONNRESET" || error.code === "EPIPE") learn();
    });
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      unsent = false;
    });
    socket.prependListener("end", () => {
      if (!isUnused()) return;
      learn();
      unsent = true;
      socket.emit("agentRemove");
      // A request may have got it already.
      socket.destroy(Object.assign(new Error("the other side has closed the connection"), { code: "EPIPE" }));
    });
    socket.prependListener("timeout", () => {
      if (isUnused()) known.freeAt = undefined;
    });
    socket.prependListener("close", () => {
      if (isUnused()) learn();
      known.stopTimer?.();
    });
  }

  // Before the agent's own listener, which gives the socket to the next request unless it has ended.
  agent.prependListener("free", (socket: Socket) => {
    const known = sockets.get(socket);
    if (known !== undefined && clock.now() >= known.retiresAt) socket.destroy();
  });
  // After the agent's own listener: it may have given the socket to another request at once, which does not matter.
  agent.on("free", (socket: Socket) => {
    const known = sockets.get(socket);
    if (known === undefined) return;
    const now = clock.now();
    known.freeAt = now;
    known.written = socket.bytesWritten;
    known.read = socket.bytesRead;
    const limitMs = Math.min(limits.limitOf(origin, now), known.retiresAt - now);
    known.stopTimer?.();
    if (limitMs === Infinity || socket.destroyed) return;
    known.stopTimer = clock.schedule(() => {
      if (known.freeAt !== now || socket.bytesWritten !== known.written) return;
      known.freeAt = undefined;
      socket.emit("agentRemove");
      socket.destroy();
    }, limitMs);
  });

  const create = agent.createConnection.bind(agent) as (...args: unknown[]) => Socket | undefined;
  Object.assign(agent, {
    createConnection(...args: unknown[]): Socket | undefined {
      const socket = create(...args);
      if (socket) {
        watch(socket);
        followSocket(socket, origin, onConnection);
      }
      return socket;
    },
  });
  return errors;
}

const deepestCause = 6;

function isUnsent(error: unknown, unsent: UnsentErrors): boolean {
  let at = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    if (unsent.has(at)) return true;
    at = at.cause;
  }
  return false;
}

/** The bytes that the parser of `node:http` found to be no HTTP. */
function rawPacketIn(error: unknown): Uint8Array | undefined {
  let at = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    const { rawPacket } = at as { rawPacket?: unknown };
    if (rawPacket instanceof Uint8Array) return rawPacket;
    at = at.cause;
  }
  return undefined;
}

/**
 * What Connect's client for `node:http` raised, as `unavailable` with what the fault proves where it was the connection's:
 * its own codes for those (`aborted`, `internal`) would pass for the server's word.
 */
export async function connectionError(
  target: TlsTarget,
  error: unknown,
  unsent: UnsentErrors,
  clock: Clock,
): Promise<unknown> {
  const { origin } = target;
  const doing = `Cannot reach ${origin}`;
  const ofTls = tlsErrorIn(
    isVague(error) || mayWantTls(target, faultOf(error)) ? await explain(error, target, clock) : error,
  );
  if (ofTls !== undefined) {
    const failure = tlsFailure(doing, target, ofTls.reason, ofTls.error);
    return unavailable(failure.message, "tls", failure);
  }
  const bytes = origin.startsWith("http:") ? rawPacketIn(error) : undefined;
  if (bytes !== undefined && expectsTls(bytes)) {
    const failure = tlsRequired(doing, origin, error);
    return unavailable(failure.message, "tls", failure);
  }
  const fault = isUnsent(error, unsent) ? faultOfConnect(error) : faultOf(error);
  if (fault === undefined) return error;
  if (origin.startsWith("https:") && (fault === "reset" || fault === "closed")) {
    const refusal = silentRefusal(doing, target, fault, error);
    if (refusal !== undefined) return unavailable(refusal.message, fault, refusal);
  }
  const said = error instanceof ConnectError ? error.rawMessage : "";
  const message = said === "" ? reasonOf(error instanceof ConnectError ? error.cause : error) : said;
  return unavailable(`Cannot reach ${origin}: ${message}`, fault, error);
}
