/** The pings of a connection whose answers have not come. */
export class Pings {
  readonly #waiting = new Map<number, (alive: boolean) => void>();
  #count = 0;

  /** Notes who waits for the answer to a ping, and gives its number. */
  add(answer: (alive: boolean) => void): number {
    const number = ++this.#count;
    this.#waiting.set(number, answer);
    return number;
  }

  /** The one who waits for the answer to a ping, who then waits no more; undefined when nobody does. */
  take(number: number): ((alive: boolean) => void) | undefined {
    const answer = this.#waiting.get(number);
    this.#waiting.delete(number);
    return answer;
  }

  /** All who wait; then nobody does. */
  takeAll(): ((alive: boolean) => void)[] {
    const answers = [...this.#waiting.values()];
    this.#waiting.clear();
    return answers;
  }
}
