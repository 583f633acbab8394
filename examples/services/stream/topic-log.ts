/** What a topic keeps of an event; `sequence` counts from 1 within the topic. */
export interface LoggedEvent {
  readonly id: string;
  readonly topic: string;
  readonly sequence: bigint;
  readonly type: string;
  readonly source: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** An event as its publisher brings it. */
export type NewEvent = Omit<LoggedEvent, "sequence">;

/** A follower asked for events that are no longer kept. */
export class FellBehindError extends Error {
  override readonly name = "FellBehindError";
}

/**
 * One topic: the last `retention` events, in order. A follower is nothing but a position in it, so a
 * slow follower costs no memory: one that falls behind what is kept is told so.
 */
export class TopicLog {
  readonly name: string;
  readonly #retention: number;
  readonly #events: LoggedEvent[] = [];
  readonly #sequences = new Map<string, bigint>();
  readonly #waiting = new Set<() => void>();
  #next = 1n;
  #followers = 0;

  constructor(name: string, retention: number) {
    this.name = name;
    this.#retention = retention;
  }

  /** Events published so far, also those that are no longer kept. */
  get published(): bigint {
    return this.#next - 1n;
  }

  get followers(): number {
    return this.#followers;
  }

  /** Takes an event in; one whose id is still kept is a repetition and changes nothing. */
  publish(event: NewEvent): { readonly sequence: bigint; readonly duplicate: boolean } {
    const known = this.#sequences.get(event.id);
    if (known !== undefined) return { sequence: known, duplicate: true };
    const sequence = this.#next++;
    this.#events.push({ ...event, sequence });
    this.#sequences.set(event.id, sequence);
    if (this.#events.length > this.#retention) {
      const oldest = this.#events.shift();
      if (oldest !== undefined) this.#sequences.delete(oldest.id);
    }
    for (const wake of this.#waiting) wake();
    return { sequence, duplicate: false };
  }

  /**
   * The kept events after `after`, then each new one as it comes, until `signal` aborts. A position beyond
   * the last event is one of a former life of this process: it starts from the first event.
   *
   * @throws FellBehindError when events were dropped before they could be handed over
   */
  async *follow(after: bigint, signal: AbortSignal, untilCurrent = false): AsyncGenerator<LoggedEvent> {
    this.#followers++;
    try {
      let position = after > this.published ? 0n : after;
      const last = this.published;
      while (!signal.aborted && !(untilCurrent && position >= last)) {
        const event = this.#after(position);
        if (event === undefined) {
          await this.#watcher(signal);
          continue;
        }
        if (position > 0n && event.sequence > position + 1n) {
          throw new FellBehindError(
            `Cannot follow "${this.name}": events after ${position} are no longer kept`,
          );
        }
        position = event.sequence;
        yield event;
      }
    } finally {
      this.#followers--;
    }
  }

  #after(position: bigint): LoggedEvent | undefined {
    const oldest = this.#events[0];
    if (oldest === undefined) return undefined;
    const index = position < oldest.sequence ? 0 : Number(position - oldest.sequence) + 1;
    return this.#events[index];
  }

  #watcher(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
