import { Call, type CallInit } from "../core/call.ts";
import { MeshError } from "../core/errors.ts";
import type { Outcome } from "../core/outcome.ts";
import type { InboundRequest } from "./inbound-request.ts";
import type { SilenceLimit } from "./silence.ts";

/**
 * A call that came in.
 *
 * It follows the request's abort signal only when somebody asks whether the call was cancelled: on most
 * platforms merely looking at a request's signal makes one, and costs as much as the rest of the layers.
 */
export class ServerCall extends Call {
  /** The deadline that holds when the response turns out to be a stream. */
  readonly #streamDeadline: number;
  /** The deadline that it was opened with. */
  readonly #granted: number;
  /** Bounds the silence of a stream; undefined for no limit. */
  readonly #silence: SilenceLimit | undefined;
  #streaming = false;
  /** Whether the handler was reached: what is thrown before that is a refusal. */
  handled = false;
  /** The pipeline whose layers are around it, for an adapter that has to tell; undefined where none has. */
  pipeline: object | undefined = undefined;
  #inbound: InboundRequest | undefined;
  #following = false;
  #unfollow: (() => void) | undefined;

  constructor(
    init: CallInit,
    inbound: InboundRequest,
    streamDeadline: number = init.deadline ?? Infinity,
    silence?: SilenceLimit,
  ) {
    super(init);
    this.#inbound = inbound;
    this.#streamDeadline = streamDeadline;
    this.#granted = this.deadline;
    this.#silence = silence;
    if (inbound.streaming === true) this.streams();
  }

  override get cancelled(): boolean {
    this.#follow();
    return super.cancelled;
  }

  override get reason(): unknown {
    this.#follow();
    return super.reason;
  }

  override get signal(): AbortSignal {
    this.#follow();
    return super.signal;
  }

  /** Why it was cancelled, as far as anybody knows by now: without a look at the client. */
  get knownReason(): unknown {
    return super.reason;
  }

  override onCancel(listener: (reason: unknown) => void): () => void {
    this.#follow();
    return super.onCancel(listener);
  }

  /** Like {@link onCancel}, without a look at the client: the adapter's way to hear of the deadline. */
  onKnownCancel(listener: (reason: unknown) => void): void {
    super.onCancel(listener);
  }

  override throwIfCancelled(): void {
    this.#follow();
    super.throwIfCancelled();
  }

  /** Request or response is a stream: it has the time of one, unless a layer has granted less. */
  streams(): void {
    if (this.#streaming || this.outcome !== undefined) return;
    this.#streaming = true;
    if (this.deadline === this.#granted) this.deadline = this.#streamDeadline;
    if (this.#inbound !== undefined) this.#silence?.watch(this, this.#inbound);
  }

  override extend(): boolean {
    const { deadline } = this;
    if (this.#inbound?.streaming === true) this.streams();
    return this.deadline > deadline;
  }

  override end(outcome: Outcome): void {
    if (this.outcome !== undefined) return;
    super.end(outcome);
    this.#unfollow?.();
    this.#unfollow = undefined;
    // Whatever remembers the call (an async context does, for a while) must not keep the request.
    this.#inbound = undefined;
  }

  #follow(): void {
    if (this.#following || this.outcome !== undefined) return;
    this.#following = true;
    const signal = this.#inbound?.signal;
    if (signal === undefined) return;
    const onAbort = (): void => {
      this.cancel(new MeshError("ERR_CANCELLED", "The client went away", { cause: signal.reason }));
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener("abort", onAbort, { once: true });
      this.#unfollow = () => signal.removeEventListener("abort", onAbort);
    }
  }
}
