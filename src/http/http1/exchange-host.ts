import type { Http1Time } from "./http1-time.ts";
import type { Persistence } from "./persistence.ts";
import type { TransportWriter } from "./transport-writer.ts";

/** What an exchange needs of its connection. */
export interface ExchangeHost<Exchange> {
  readonly writer: TransportWriter;
  readonly persistence: Persistence;
  readonly time: Http1Time;
  /** The whole response was handed over. */
  responseEnded(exchange: Exchange): void;
  /** The exchange is over. */
  closed(exchange: Exchange, complete: boolean): void;
  /** Ends the connection at once. */
  destroy(): void;
}
