import type { Endpoint } from "./endpoint.ts";
import { MeshError } from "./errors.ts";
import type { CallEvent } from "./events.ts";
import { tell } from "./hooks.ts";
import type { PeerIdentity, Principal } from "./identity.ts";
import type { Outcome } from "./outcome.ts";

/** The wire dialect of a call. `local` is a function that is wrapped without any wire. */
export type Protocol = "rest" | "grpc" | "grpc-web" | "connect" | "local";

/**
 * What a repetition of the call would do. `safe` has no side effects, `idempotent` may be repeated,
 * `unknown` is repeated only when it provably never started.
 */
export type Idempotency = "safe" | "idempotent" | "unknown";

/** A typed slot in a call's context. */
export interface CallKey<T> {
  readonly id: symbol;
  readonly defaultValue: T;
}

/** Makes a {@link CallKey}; `name` is for debugging only. */
export function callKey<T>(name: string, defaultValue: T): CallKey<T> {
  return { id: Symbol(name), defaultValue };
}

/**
 * The origins that earlier attempts of the same call went to, set on an attempt by the layer that repeats it.
 *
 * A balancer keeps away from them while there are others: an endpoint that has just failed this call is
 * the least likely to save it.
 */
export const triedOrigins: CallKey<readonly string[]> = callKey("tried origins", []);

/** What a new {@link Call} is made of; everything but the first four has a default. */
export interface CallInit {
  readonly side: "client" | "server";
  readonly protocol: Protocol;
  readonly service: string;
  readonly operation: string;
  /** Absolute deadline on the mesh clock. @default Infinity */
  readonly deadline?: number;
  /** 1 for the first attempt. @default 1 */
  readonly attempt?: number;
  /** @default "unknown" */
  readonly idempotency?: Idempotency;
  /** 0 matters most, higher numbers less; for layers of the application's own. @default 0 */
  readonly priority?: number;
  /** Aborting it cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** The call on whose behalf this one is made; its cancellation and context carry over. */
  readonly parent?: Call | undefined;
  /** When it began, on the mesh clock. @default 0 */
  readonly startedAt?: number;
  /** What holds for this call and not for all calls to its service. @default nothing */
  readonly policy?: object | undefined;
  /** Told what is decided about the call. @default the listener of the parent */
  readonly onEvent?: CallEventListener | undefined;
}

/** Listens to what is decided about calls. */
export type CallEventListener = (event: CallEvent, call: Call) => void;

/** Told why a call was cancelled. */
export type CancelListener = (reason: unknown) => void;
/** Told how a call ended. */
export type EndListener = (outcome: Outcome, call: Call) => void;

/**
 * What any layer may know about one exchange, whatever the protocol.
 *
 * The abort signal is made only when somebody asks for it: `onCancel` costs a function in a list,
 * an `AbortController` costs microseconds.
 */
export class Call {
  readonly side: "client" | "server";
  readonly protocol: Protocol;
  readonly service: string;
  /** Route pattern or `package.Service/Method`; a REST server knows it only after routing. */
  operation: string;
  /** Absolute deadline on the mesh clock, `Infinity` when there is none. */
  deadline: number;
  readonly attempt: number;
  readonly idempotency: Idempotency;
  priority: number;
  readonly parent: Call | undefined;
  /** Identifies the request across services; the first service of a chain makes it up. */
  requestId: string;
  /** W3C `traceparent` of this call; empty when there is none. */
  traceparent: string;
  /** W3C `tracestate` that came with it; empty when there is none. */
  tracestate: string;
  /** Whether another service up the chain retries, so that this process must not. */
  retryOwnedUpstream: boolean;
  peer: PeerIdentity | undefined;
  principal: Principal | undefined;
  /** Where this attempt goes; set by the layer that picks, read by the transport. */
  endpoint: Endpoint | undefined;
  /** When it began, on the mesh clock. */
  readonly startedAt: number;
  /** What holds for this call and its attempts alone; the layers that obey it know what is in it. */
  readonly policy: object | undefined;
  /**
   * Notes something that was decided about the call; undefined when nobody listens, so that `call.note?.({ … })` costs
   * one comparison then.
   */
  readonly note: ((event: CallEvent) => void) | undefined;

  #values: Map<symbol, unknown> | undefined;
  #cancelled = false;
  #reason: unknown;
  #controller: AbortController | undefined;
  /** One, nearly always. */
  #cancelListeners: CancelListener | Set<CancelListener> | undefined;
  #endListeners: EndListener | EndListener[] | undefined;
  readonly #onEvent: CallEventListener | undefined;
  #outcome: Outcome | undefined;
  #detach: (() => void) | undefined;

  constructor(init: CallInit) {
    const parent = init.parent;
    this.side = init.side;
    this.protocol = init.protocol;
    this.service = init.service;
    this.operation = init.operation;
    this.deadline = Math.min(init.deadline ?? Infinity, parent?.deadline ?? Infinity);
    this.attempt = init.attempt ?? 1;
    this.idempotency = init.idempotency ?? "unknown";
    this.priority = init.priority ?? parent?.priority ?? 0;
    this.parent = parent;
    this.requestId = parent?.requestId ?? "";
    this.traceparent = parent?.traceparent ?? "";
    this.tracestate = parent?.tracestate ?? "";
    this.retryOwnedUpstream = parent?.retryOwnedUpstream ?? false;
    this.peer = undefined;
    this.principal = parent?.principal;
    this.endpoint = undefined;
    this.startedAt = init.startedAt ?? 0;
    this.policy = init.policy;
    const onEvent = init.onEvent ?? (parent === undefined ? undefined : parent.#onEvent);
    this.#onEvent = onEvent;
    this.note = onEvent === undefined ? undefined : (event) => tell(onEvent, event, this);
    if (parent !== undefined) this.#follow(parent);
    if (init.signal !== undefined) this.#followSignal(init.signal);
  }

  /** A call for one attempt of this one: same exchange, own end, cancelled together with this one. */
  fork(attempt: number, deadline: number = this.deadline): Call {
    return new Call({
      side: this.side,
      protocol: this.protocol,
      service: this.service,
      operation: this.operation,
      idempotency: this.idempotency,
      deadline,
      attempt,
      parent: this,
      startedAt: this.startedAt,
      policy: this.policy,
    });
  }

  /** Whether the call was cancelled, by its caller, its parent or its deadline. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Why it was cancelled; undefined while it was not. */
  get reason(): unknown {
    return this.#reason;
  }

  /** An `AbortSignal` that aborts with the reason; made at the first look. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Cancels the call; the first reason stays. */
  cancel(reason: unknown = new MeshError("ERR_CANCELLED", "The call was cancelled by its caller")): void {
    if (this.#cancelled || this.#outcome !== undefined) return;
    this.#cancelled = true;
    this.#reason = reason;
    const listeners = this.#cancelListeners;
    this.#cancelListeners = undefined;
    this.#detach?.();
    this.#detach = undefined;
    this.#controller?.abort(reason);
    if (listeners === undefined) return;
    if (typeof listeners === "function") tell(listeners, reason, this);
    else for (const listener of listeners) tell(listener, reason, this);
  }

  /** Cancels the call; also when it has ended, its signal aborts: what is left of its response is not wanted. */
  abort(reason: unknown): void {
    this.cancel(reason);
    this.#controller?.abort(reason);
  }

  /** Calls `listener` when the call is cancelled, at once if it already is; the returned function removes it. */
  onCancel(listener: CancelListener): () => void {
    if (this.#cancelled) {
      listener(this.#reason);
      return () => {};
    }
    const listeners = this.#cancelListeners;
    if (listeners === undefined) this.#cancelListeners = listener;
    else if (typeof listeners !== "function") listeners.add(listener);
    else if (listeners !== listener) this.#cancelListeners = new Set([listeners, listener]);
    return () => this.#removeCancelListener(listener);
  }

  #removeCancelListener(listener: CancelListener): void {
    const listeners = this.#cancelListeners;
    if (listeners === listener) this.#cancelListeners = undefined;
    else if (typeof listeners === "object") listeners.delete(listener);
  }

  /** Asked when the deadline has passed: whether it has turned out that the call has more time. */
  extend(): boolean {
    return false;
  }

  /** Throws the reason if the call was cancelled. */
  throwIfCancelled(): void {
    if (this.#cancelled) throw this.#reason;
  }

  /** How it ended, once {@link end} was called; undefined until then, while a stream is open for example. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /**
   * States how the call ended, once; later statements are ignored.
   *
   * The adapter that knows the protocol states it: at the response, or at the end of its body or stream. The code that
   * made the call sees to it that it ends, whatever is thrown on the way; all others listen.
   */
  end(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#detach?.();
    this.#detach = undefined;
    this.#cancelListeners = undefined;
    const listeners = this.#endListeners;
    this.#endListeners = undefined;
    if (listeners === undefined) return;
    if (typeof listeners === "function") tell(listeners, outcome, this);
    else for (const listener of listeners) tell(listener, outcome, this);
  }

  /** Calls `listener` when the call ends, at once if it has ended. */
  onEnd(listener: EndListener): void {
    const listeners = this.#endListeners;
    if (this.#outcome !== undefined) listener(this.#outcome, this);
    else if (listeners === undefined) this.#endListeners = listener;
    else if (typeof listeners === "function") this.#endListeners = [listeners, listener];
    else listeners.push(listener);
  }

  /** The value of a context slot, inherited from the parent, or the key's default. */
  get<T>(key: CallKey<T>): T {
    const own = this.#values;
    if (own?.has(key.id)) return own.get(key.id) as T;
    return this.parent === undefined ? key.defaultValue : this.parent.get(key);
  }

  /** Sets a context slot of this call; calls made on its behalf see it too. */
  set<T>(key: CallKey<T>, value: T): this {
    this.#values ??= new Map();
    this.#values.set(key.id, value);
    return this;
  }

  #follow(parent: Call): void {
    const remove = parent.onCancel((reason) => this.cancel(reason));
    if (!this.#cancelled) this.#detach = remove;
  }

  #followSignal(signal: AbortSignal): void {
    if (signal.aborted) {
      this.cancel(signal.reason);
      return;
    }
    const onAbort = (): void => this.cancel(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const before = this.#detach;
    // A long-lived signal collects listeners: it must not outlive the call.
    this.#detach = () => {
      before?.();
      signal.removeEventListener("abort", onAbort);
    };
  }
}
