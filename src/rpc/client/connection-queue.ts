/** A call that waits for a place on a connection. */
export class PendingConnection<C> {
  /** Settles when there is one, or none can be had; never once the call has dropped out. */
  readonly connection: Promise<C>;
  // Both are set while the promise is made, which the compiler cannot see.
  resolve!: (connection: C) => void;
  reject!: (error: unknown) => void;
  /** Whether nobody waits any more. */
  dropped = false;
  /** Where it stands, while it does. */
  queue: ConnectionQueue<C> | undefined = undefined;
  before: PendingConnection<C> | undefined = undefined;
  after: PendingConnection<C> | undefined = undefined;

  constructor() {
    this.connection = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Gives up waiting. A connection that was already handed over arrives all the same, and must be given back. */
  drop(): void {
    this.dropped = true;
    this.queue?.remove(this);
  }
}

/** Calls that wait, first come first served; one in the middle leaves as cheaply as the first. */
export class ConnectionQueue<C> {
  #first: PendingConnection<C> | undefined = undefined;
  #last: PendingConnection<C> | undefined = undefined;
  /** How many wait. */
  length = 0;

  push(pending: PendingConnection<C>): void {
    pending.queue = this;
    pending.before = this.#last;
    if (this.#last === undefined) this.#first = pending;
    else this.#last.after = pending;
    this.#last = pending;
    this.length++;
  }

  /** Takes out the one that has waited longest. */
  shift(): PendingConnection<C> | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(pending: PendingConnection<C>): void {
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
