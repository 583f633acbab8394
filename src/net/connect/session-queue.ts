import type { ClientSession } from "./client-session.ts";

/** A call that waits for a place on a session. */
export class PendingSession {
  /** Settles when there is one, or none can be had; never once the call has dropped out. */
  readonly session: Promise<ClientSession>;
  resolve!: (session: ClientSession) => void;
  reject!: (error: unknown) => void;
  /** Whether nobody waits any more. */
  dropped = false;
  /** Where it stands, while it does. */
  queue: SessionQueue | undefined = undefined;
  before: PendingSession | undefined = undefined;
  after: PendingSession | undefined = undefined;

  constructor() {
    this.session = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Gives up waiting. A session that was already handed over arrives all the same, and must be given back. */
  drop(): void {
    this.dropped = true;
    this.queue?.remove(this);
  }
}

/** Those who wait, first come first served; one in the middle leaves as cheaply as the first. */
export class SessionQueue {
  #first: PendingSession | undefined = undefined;
  #last: PendingSession | undefined = undefined;
  /** How many wait. */
  length = 0;

  push(pending: PendingSession): void {
    pending.queue = this;
    pending.before = this.#last;
    if (this.#last === undefined) this.#first = pending;
    else this.#last.after = pending;
    this.#last = pending;
    this.length++;
  }

  /** Takes out the one that has waited longest. */
  shift(): PendingSession | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(pending: PendingSession): void {
    const { before, after } = pending;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    pending.queue = undefined;
    pending.before = undefined;
    pending.after = undefined;
    this.length--;
  }

  /** Fails all of them. */
  rejectAll(error: unknown): void {
    for (let next = this.shift(); next !== undefined; next = this.shift()) next.reject(error);
  }
}
