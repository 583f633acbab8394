import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { markUpstream } from "../core/upstream.ts";
import { deadlinesOf } from "../policy/deadline-wheel.ts";
import type { TransportResponse } from "./transport-response.ts";

/** How long a failed response waits for somebody to begin to read its body, in milliseconds. */
const unreadMs = 1_000;

/** Options of {@link UnreadBodies}. */
export interface UnreadBodiesOptions {
  readonly clock: Clock;
  /** Connections to one origin at most, of which unread bodies hold no more than half. */
  readonly maxConnectionsPerEndpoint: number;
}

/**
 * Looks after the bodies of failed responses. A 5xx or a 429 ends its call at once, so that the retry can act on it, and
 * with the call ends the deadline that would have cancelled the body: without this, bodies that nobody reads would hold
 * their connections for ever.
 *
 * The body keeps the deadline of its attempt. One that nobody begins to read is cancelled after a second, or sooner when
 * another request needs the connection.
 */
export class UnreadBodies {
  readonly #clock: Clock;
  readonly #maxPerOrigin: number;
  /** By origin, the oldest first. */
  readonly #unread = new Map<string, Set<TransportResponse>>();

  constructor(options: UnreadBodiesOptions) {
    this.#clock = options.clock;
    this.#maxPerOrigin = Math.max(1, Math.floor(options.maxConnectionsPerEndpoint / 2));
  }

  /** Gives up the oldest body of the origin when unread ones hold half of its connections; costs nothing otherwise. */
  makeRoom(origin: string): void {
    if (this.#unread.size === 0) return;
    const responses = this.#unread.get(origin);
    if (responses === undefined || responses.size < this.#maxPerOrigin) return;
    for (const response of [...responses]) {
      if (!response.holdsUnread) this.#forget(origin, response);
      else if (responses.size >= this.#maxPerOrigin) {
        response.discard(nobodyReads(origin, "another request needed its connection"));
        this.#forget(origin, response);
      }
    }
  }

  /** Takes care of a body that outlives its call. */
  watch(call: Call, origin: string, response: TransportResponse): void {
    const deadlines = deadlinesOf(this.#clock);
    const { deadline } = call;
    const exceeded = (): void =>
      response.cancel(
        new MeshError(
          "ERR_DEADLINE_EXCEEDED",
          `Cannot read the response of ${call.service} ${call.operation}: its deadline has passed`,
        ),
      );
    let entry = deadlines.add(Math.min(deadline, this.#clock.now() + unreadMs), () => {
      if (response.holdsUnread) {
        response.cancel(nobodyReads(origin, `nobody began to read it within ${unreadMs} ms`));
      } else if (deadline !== Infinity) {
        entry = deadlines.add(Math.max(deadline, this.#clock.now()), exceeded);
      }
    });
    let responses = this.#unread.get(origin);
    if (responses === undefined) {
      responses = new Set();
      this.#unread.set(origin, responses);
    }
    responses.add(response);
    response.onSettled(() => {
      deadlines.remove(entry);
      this.#forget(origin, response);
    });
  }

  #forget(origin: string, response: TransportResponse): void {
    const responses = this.#unread.get(origin);
    if (responses?.delete(response) === true && responses.size === 0) this.#unread.delete(origin);
  }
}

function nobodyReads(origin: string, why: string): MeshError {
  return markUpstream(
    new MeshError(
      "ERR_CANCELLED",
      `Cannot read the body of a failed response of ${origin}: it was given up, because ${why}; read or cancel it at once`,
    ),
  );
}
