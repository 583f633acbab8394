/** Whether a connection outlives the response that is being written. */
export class Persistence {
  /** Whether this response is the last one. */
  last = false;
  /** Whether every response is, because the connection should come to its end. */
  draining = false;
  readonly #keepAliveLines: string;

  /** @param keepAliveLines - what a response says when another one may follow: whole lines */
  constructor(keepAliveLines: string) {
    this.#keepAliveLines = keepAliveLines;
  }

  /** What a response says of it: whole lines. */
  lines(peerKeepsAlive: boolean): string {
    if (this.draining || !peerKeepsAlive) this.last = true;
    return this.last ? "connection: close\r\n" : this.#keepAliveLines;
  }
}
