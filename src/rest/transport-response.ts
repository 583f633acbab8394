import type { Call } from "../core/call.ts";
import { isMeshError, MeshError } from "../core/errors.ts";
import { type Outcome, outcome } from "../core/outcome.ts";
import { markUpstream } from "../core/upstream.ts";
import { EndToEndHeaders } from "../http/end-to-end-headers.ts";
import { outcomeOfError, outcomeOfStatus } from "../http/status-outcome.ts";
import type { HttpResponse } from "./http-transport.ts";
import { bodyOverflow, bodyTooLarge } from "./response-limit.ts";

/** The response came and nobody was reading its body at the deadline: no fault of the server's. */
const unread: Outcome = outcome("success", "unread");

/** Up to this many bytes, waiting for a body costs less than another connection. */
const shortBytes = 64 * 1024;

/** Whether the body is known to be short before any of it is read. */
export function isShort(response: Pick<HttpResponse, "headers">): boolean {
  const length = response.headers.get("content-length");
  // The length of an encoded body says nothing about what it decodes to.
  return length != null && Number(length) <= shortBytes && response.headers.get("content-encoding") == null;
}

/** Gives a response up for another one. */
export function discardResponse(response: HttpResponse): void {
  if (response instanceof TransportResponse) response.discard();
  else response.body?.cancel().catch(() => {});
}

const cancelled: Outcome = outcome("cancelled", "cancelled");

/**
 * A response whose body belongs to a call: it ends the call when the body ends, fails or is cancelled,
 * and stops when the call is cancelled. Every HTTP transport hands out one of these.
 *
 * A runtime supplies the primitives; a body is read by one of them, once. What a primitive raises passes
 * through {@link translate} before anybody sees it.
 */
export abstract class TransportResponse implements HttpResponse {
  readonly status: number;
  readonly headers: HttpResponse["headers"];
  /** Where the response came from; set by the code that builds the request. */
  url = "";
  readonly #call: Call;
  readonly #bodyless: boolean;
  #settled = false;
  #cancelled = false;
  #reason: unknown;
  #used = false;
  #touched = false;
  #waiting = false;
  #maxBytes = Infinity;
  #onSettled: (() => void) | undefined;
  #interrupt: ((reason: unknown) => void) | undefined;
  #body: ReadableStream<Uint8Array> | null | undefined;
  #detach: (() => void) | undefined;

  /** @param bodyless - that no body will come: HEAD, 204, 304, or a length of zero */
  constructor(call: Call, status: number, headers: HttpResponse["headers"], bodyless: boolean) {
    this.#call = call;
    this.status = status;
    this.headers = new EndToEndHeaders(headers);
    this.#bodyless = bodyless;
  }

  /** Reads the whole body as UTF-8; rejects with `bodyOverflow` as soon as it has more bytes than these. */
  protected abstract readText(maxBytes: number): Promise<string>;
  /** Reads the whole body, in the same way. */
  protected abstract readBytes(maxBytes: number): Promise<Uint8Array>;
  /** The platform's own stream; null when there is none. */
  protected abstract openBody(): ReadableStream<Uint8Array> | null;
  /** Ends the exchange at once, also while its body is read. */
  protected abstract abort(reason: unknown): void;
  /** Called once, when the exchange is over: the connection is free. */
  protected abstract release(): void;
  /** The error to show for what the platform raised while the body was read. */
  protected abstract translate(error: unknown): unknown;

  /** Whether the exchange is over: nothing more will be read from the wire. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Whether it keeps a connection from being used although nobody has begun to read the body. */
  get holdsUnread(): boolean {
    return !this.#settled && !this.#touched;
  }

  /** Calls the listener when the exchange is over; there is one at most. */
  onSettled(listener: () => void): void {
    if (this.#settled) listener();
    else this.#onSettled = listener;
  }

  /** Ties the body to the call; the transport calls it once, when the response is complete. */
  attach(): this {
    if (this.#bodyless) this.#settle(outcomeOfStatus(this.status, this.headers));
    else this.#detach = this.#call.onCancel((reason) => this.cancel(reason));
    return this;
  }

  /** Ends the exchange, also while the body is being read; its reader gets the reason. */
  cancel(reason: unknown = new MeshError("ERR_CANCELLED", "The body was cancelled by its reader")): void {
    if (this.#settled || this.#cancelled) return;
    this.#cancelled = true;
    this.#reason = reason;
    const late = isMeshError(reason, "ERR_DEADLINE_EXCEEDED");
    this.#interrupt?.(reason);
    this.abort(reason);
    if (isMeshError(reason, "ERR_BODY_TOO_LARGE")) this.#settle(outcomeOfError(this.#call, reason));
    else this.#settle(!late ? cancelled : this.#waiting ? outcomeOfError(this.#call, reason) : unread);
  }

  /**
   * Gives the response up. A short body is read to its end, so that the connection can be used again, for no
   * longer than the call that this attempt belongs to; any other is cancelled.
   */
  discard(reason?: unknown): void {
    if (this.#settled) return;
    if (this.#used || !isShort(this)) {
      this.cancel(reason);
      return;
    }
    const remove = this.#call.parent?.onCancel((reason) => this.cancel(reason));
    this.#call.parent?.onEnd(() => this.cancel());
    const done = (): void => remove?.();
    this.bytes().then(done, done);
  }

  text(maxBytes: number = Infinity): Promise<string> {
    return this.#bodyless ? Promise.resolve("") : this.#whole((max) => this.readText(max), maxBytes);
  }

  bytes(maxBytes: number = Infinity): Promise<Uint8Array> {
    return this.#bodyless
      ? Promise.resolve(new Uint8Array(0))
      : this.#whole((max) => this.readBytes(max), maxBytes);
  }

  async json(): Promise<unknown> {
    const text = await this.text();
    try {
      return JSON.parse(text);
    } catch (error) {
      throw markUpstream(error);
    }
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#body === undefined) this.#body = this.#bodyless ? null : this.#stream();
    return this.#body;
  }

  #whole<T>(read: (maxBytes: number) => Promise<T>, maxBytes: number): Promise<T> {
    if (this.#cancelled) return Promise.reject(this.#reason);
    if (this.#used) return Promise.reject(new TypeError("Cannot read the body: it has been read already"));
    if (maxBytes !== Infinity) {
      this.#maxBytes = maxBytes;
      const declared = this.headers.get("content-length");
      if (declared != null && Number(declared) > maxBytes) {
        const error = bodyTooLarge(this.#call, maxBytes);
        this.cancel(error);
        return Promise.reject(error);
      }
    }
    this.#used = true;
    this.#touched = true;
    this.#waiting = true;
    return new Promise((resolve, reject) => {
      // Not every platform's read rejects when its exchange is aborted.
      this.#interrupt = reject;
      read(maxBytes).then(
        (result) => {
          this.#settle(outcomeOfStatus(this.status, this.headers));
          resolve(result);
        },
        (error) => reject(this.#failed(error)),
      );
    });
  }

  #failed(error: unknown): unknown {
    if (this.#cancelled) return this.#reason;
    if (error === bodyOverflow) {
      const tooLarge = bodyTooLarge(this.#call, this.#maxBytes);
      this.cancel(tooLarge);
      return tooLarge;
    }
    const shown = markUpstream(this.translate(error));
    this.#settle(outcomeOfError(this.#call, shown));
    return shown;
  }

  #settle(kind: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#detach?.();
    this.#detach = undefined;
    this.release();
    this.#call.end(kind);
    const settled = this.#onSettled;
    this.#onSettled = undefined;
    settled?.();
  }

  #stream(): ReadableStream<Uint8Array> | null {
    const source = this.openBody();
    this.#used = true;
    if (source === null) {
      this.#settle(outcomeOfStatus(this.status, this.headers));
      return null;
    }
    const reader = source.getReader();
    this.#interrupt = (reason) => {
      reader.cancel(reason).catch(() => {});
    };
    // No buffer of its own (highWaterMark 0): the reader's pace is the socket's pace.
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          this.#touched = true;
          this.#waiting = true;
          const chunk = await reader.read().catch((error) => {
            throw this.#failed(error);
          });
          this.#waiting = false;
          if (this.#cancelled) throw this.#reason;
          if (!chunk.done) {
            controller.enqueue(chunk.value);
            return;
          }
          this.#settle(outcomeOfStatus(this.status, this.headers));
          controller.close();
        },
        cancel: (reason) => this.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }
}
