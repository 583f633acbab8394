import type { Call, Protocol } from "../core/call.ts";
import type { Connection } from "../core/connection.ts";
import type { HeaderSource } from "../core/headers.ts";
import type { Service } from "../core/service.ts";

/** What is known of a request before anything of it is read. */
export interface InboundRequest {
  readonly protocol: Protocol;
  /** `GET /datasets/:name` for REST, `package.Service/Method` for RPC; `unmatched` or `unknown` where nothing is served. */
  readonly operation: string;
  readonly headers: HeaderSource;
  readonly connection: Connection;
  /** The HTTP method, where the operation does not tell. */
  readonly method?: string | undefined;
  /** What was asked for: an absolute URL, or a path with its query; where the operation does not tell. */
  readonly url?: string | undefined;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
  /** Remaining time that the protocol's own header grants (`grpc-timeout`, `Connect-Timeout-Ms`); REST uses `mesh-timeout-ms`. */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether request or response are streams by nature, to which the default time limit does not apply; one whose body turns
   * out to be read as a stream says so from then on. @default false
   */
  readonly streaming?: boolean;
  /** A number that grows while anything of request or response moves; looked at now and then. @default nothing ever moves */
  readonly progress?: number;
}

/**
 * A request with the work that its protocol's adapter does for it, one call at most of each.
 *
 * The methods belong to the request, so that the layers are composed once and nothing is made per call.
 */
export interface ServedRequest<Res = unknown> extends InboundRequest {
  /** Whether the adapter responds by itself, so that security and limits have no say: a CORS preflight, for one. */
  readonly exempt?: boolean;
  /** Runs the handler. The response may still be under way when it is returned; the call ends with it. */
  handle(call: Call): Res | Promise<Res>;
  /**
   * Runs what is inside (`next`), turns what comes of it, response or error, into a response of the protocol, and sees
   * to it that the call ends. Within the deadline: see {@link RequestPipeline.serve}.
   */
  respond(call: Call, next: Service<ServedRequest<Res>, Res>): Res | Promise<Res>;
}

/**
 * A layer of the application's own around its server, for REST and RPC alike. It passes on what `next` returns: what
 * that is belongs to the protocol. To refuse a request it throws; to hear of the end, it listens with `call.onEnd`.
 *
 * @typeParam Req - left to the pipeline
 * @typeParam Res - left to the pipeline
 */
export type ServerLayer = <Req extends InboundRequest, Res>(next: Service<Req, Res>) => Service<Req, Res>;

/** Where layers of the application's own stand. */
export interface ServerLayers {
  /** Around security and limits, inside of metrics and deadline; nothing is authenticated there yet. @default none */
  readonly request?: readonly ServerLayer[];
  /** Right around the handler: the principal is known, and the limits have let the call through. @default none */
  readonly handler?: readonly ServerLayer[];
}
