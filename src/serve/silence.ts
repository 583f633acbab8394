import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { Deadlines } from "../policy/deadline-wheel.ts";
import type { InboundRequest } from "./inbound-request.ts";

/** How often a stream is looked at within the silence that it may keep. */
const looksPerSilence = 4;

/**
 * Ends streams of which nothing has moved for too long, in either direction.
 *
 * It looks at each of them now and then, so that a message costs nothing: a silence is noticed after the time allowed, and at
 * the latest a quarter of it later.
 */
export class SilenceLimit {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #idleMs: number;

  /** @param idleMs - the silence that is allowed, in milliseconds */
  constructor(clock: Clock, deadlines: Deadlines, idleMs: number) {
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#idleMs = idleMs;
  }

  /** Watches a stream until its call ends. */
  watch(call: Call, request: Pick<InboundRequest, "progress">): void {
    const clock = this.#clock;
    const idleMs = this.#idleMs;
    const look = (): void => {
      const now = clock.now();
      const { progress } = request;
      if (progress !== seen) {
        seen = progress;
        quietSince = now;
      }
      if (now - quietSince >= idleMs) this.#end(call);
      else entry = this.#deadlines.add(Math.min(now + idleMs / looksPerSilence, quietSince + idleMs), look);
    };
    let seen = request.progress;
    let quietSince = clock.now();
    let entry = this.#deadlines.add(quietSince + idleMs / looksPerSilence, look);
    call.onEnd(() => this.#deadlines.remove(entry));
  }

  #end(call: Call): void {
    call.note?.({ type: "deadline-exceeded" });
    call.cancel(
      new MeshError(
        "ERR_DEADLINE_EXCEEDED",
        `Cannot go on with ${call.operation}: nothing of it has moved for ${this.#idleMs} ms (idleTimeoutMs of the server)`,
      ),
    );
  }
}
