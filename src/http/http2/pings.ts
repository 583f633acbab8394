/** The pings of a connection that are not acknowledged. */
export class Pings {
  readonly #waiting = new Map<number, (alive: boolean) => void>();
  #count = 0;

  /** Notes what is to be told of a ping, and gives its number. */
  add(onResult: (alive: boolean) => void): number {
    const number = ++this.#count;
    this.#waiting.set(number, onResult);
    return number;
  }

  /** What is to be told of a ping, once; undefined for a ping that nobody sent. */
  take(number: number): ((alive: boolean) => void) | undefined {
    const onResult = this.#waiting.get(number);
    this.#waiting.delete(number);
    return onResult;
  }

  /** What is to be told of all of them, once. */
  takeAll(): ((alive: boolean) => void)[] {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    return waiting;
  }
}
