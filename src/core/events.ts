import type { TransportFault } from "./errors.ts";
import type { Principal } from "./identity.ts";
import type { Outcome } from "./outcome.ts";

/** Something that was decided about a call, for traces, logs, audit and recordings. See {@link Call.note}. */
export type CallEvent =
  /** An endpoint was picked for this attempt, among so many. */
  | { readonly type: "endpoint-picked"; readonly origin: string; readonly endpoints: number }
  /** The call waited for its service to be resolved. */
  | { readonly type: "resolved"; readonly waitMs: number }
  /** The attempt failed and another one follows after `waitMs`. */
  | {
      readonly type: "retry";
      readonly attempt: number;
      readonly outcome: Outcome;
      readonly waitMs: number;
    }
  /** The attempt failed and no other one follows, although its outcome would allow one. */
  | {
      readonly type: "retry-declined";
      readonly attempt: number;
      readonly outcome: Outcome;
      readonly reason: "attempts" | "budget" | "deadline" | "not-idempotent" | "not-replayable" | "pushback";
    }
  /** A limit refused the call on this side. */
  | { readonly type: "refused"; readonly error: Error }
  /** A server knows who calls; undefined for an anonymous caller. */
  | { readonly type: "authenticated"; readonly principal: Principal | undefined }
  /** The deadline passed before the call ended. */
  | { readonly type: "deadline-exceeded" };

/** What a connection event says of the connection. */
export interface ConnectionFacts {
  /** Whether this process called, or was called. */
  readonly side: "client" | "server";
  /** The other end: the origin that is called, or the address of a client; empty where the platform does not tell. */
  readonly remote: string;
}

/** Something that happened to a connection, beneath the calls. Runtimes that connect by `fetch` do not tell. */
export type ConnectionEvent =
  /** Requests can go over it: its TLS handshake, if there is one, is complete. */
  | (ConnectionFacts & {
      readonly type: "connection-opened";
      readonly httpVersion: string;
      readonly encrypted: boolean;
    })
  /** It could not be made, broke the protocol, or was refused as one too many (`limit`). */
  | (ConnectionFacts & {
      readonly type: "connection-failed";
      readonly reason: TransportFault | "protocol" | "socket" | "limit";
      readonly error: unknown;
    })
  /**
   * The TLS handshake failed, or the other side refused the certificate afterwards, as TLS 1.3 allows. The error is a
   * `TransportError`, whose `tlsReason` says why.
   */
  | (ConnectionFacts & { readonly type: "tls-failed"; readonly error: unknown })
  /** It is gone; with an error where it broke. */
  | (ConnectionFacts & { readonly type: "connection-closed"; readonly error?: unknown });

/** One endpoint of one service. */
export interface EndpointFacts {
  readonly service: string;
  readonly origin: string;
}

/** Everything that a mesh tells its listener: what is decided about calls, and what happens around them. */
export type MeshEvent =
  | CallEvent
  | ConnectionEvent
  /** The breaker of an endpoint lets nothing through any more. */
  | (EndpointFacts & { readonly type: "breaker-opened" })
  /** It lets a few calls through to find out. */
  | (EndpointFacts & { readonly type: "breaker-half-open" })
  /** It lets everything through again. */
  | (EndpointFacts & { readonly type: "breaker-closed" })
  /** The resolver lists an endpoint that was not there before. */
  | (EndpointFacts & { readonly type: "endpoint-up" })
  /** The resolver lists it no longer. */
  | (EndpointFacts & { readonly type: "endpoint-down" })
  /** A server takes no new work, and finishes what it has. */
  | { readonly type: "drain-started"; readonly port: number; readonly inFlight: number }
  /** The server's ports are closed. */
  | { readonly type: "drain-ended"; readonly port: number; readonly durationMs: number }
  /** New options make no sense; those before stay in use. */
  | {
      readonly type: "update-refused";
      readonly options: "policies" | "server";
      readonly error: unknown;
    }
  /** A request that never became a call: it is malformed, or asks for something that no server does. */
  | {
      readonly type: "request-refused";
      readonly remote: string;
      readonly method: string;
      readonly status: number;
    }
  /** Something failed in this process that the caller was told nothing about; the same as `onError` is told. */
  | { readonly type: "error"; readonly error: unknown };
