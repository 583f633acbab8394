import type { Connection } from "../../core/connection.ts";
import type { Http1Exchange } from "./http1-exchange.ts";

/** Follows an HTTP/1.1 connection. */
export interface Http1ConnectionHandler {
  /** Who is at the other end. */
  readonly connection: Connection;
  /** A request has come; its body, if it has one, follows. */
  onRequest(exchange: Http1Exchange): void;
  /** An exchange is over; `complete` says whether the whole response was handed to the transport. */
  onClose(exchange: Http1Exchange, complete: boolean): void;
  /** The peer broke the rules or was too slow, the handler threw, or the transport failed; the connection ends. */
  onError(error: Error): void;
}
