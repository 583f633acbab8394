/** What an exchange needs of its connection. */
export interface ExchangeHost<Exchange> {
  /** Hands bytes to the transport; false when it has enough for now. */
  write(pieces: readonly (string | Uint8Array)[]): boolean;
  /** The connection ends when the response has been written. */
  endAfterResponse(): void;
  /** The `Date` field as a whole line. */
  dateLine(): string;
  /** What a response says about the life of the connection: whole lines. */
  persistenceLines(): string;
  /** The whole response was handed over. */
  responseEnded(exchange: Exchange): void;
  /** The exchange is over. */
  closed(exchange: Exchange, complete: boolean): void;
  /** Ends the connection at once. */
  destroy(): void;
}
