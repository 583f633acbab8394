import type { Http1Stream } from "./http1-stream.ts";

/** What an HTTP/1.1 connection tells of itself. */
export interface Http1ConnectionHandler {
  /** A request has come; its body, if it has one, follows. */
  onRequest(stream: Http1Stream): void;
  /** The peer broke the rules or was too slow, or the handler threw; the connection comes to its end. */
  onError(error: Error): void;
  /** Makes the error for a body whose sender went away before its end. */
  gone(): unknown;
}
