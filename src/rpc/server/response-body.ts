import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Call } from "../../core/call.ts";
import { outcomeOfCancelledCall } from "../../core/classifier.ts";
import { checkSendable } from "../dialect/call-headers.ts";
import { endFrame } from "../dialect/error-response.ts";
import { grpcStatus, messageInChunk, statusFromHttp, statusInChunk } from "../dialect/response-status.ts";
import type { RpcDialect } from "../dialect/rpc-dialect.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";

/** One RPC while it is served. */
export interface ServedCall {
  readonly call: Call;
  readonly wire: RpcDialect;
  /** What the handler or an interceptor threw, as it goes on the wire. */
  failure: ConnectError | undefined;
  /** Chunks of request and response that have passed. */
  progress: number;
}

const done: IteratorResult<Uint8Array> = { done: true, value: undefined };

/**
 * Sees a response through: runs what produces it inside the call's context, cuts it off when the call is
 * cancelled (also when the handler does not listen), and ends the call once, with the status at its end.
 *
 * @throws TypeError for headers that cannot be sent, and for what is no response at all; the call goes on then
 */
export function trackResponse(
  response: UniversalServerResponse,
  served: ServedCall,
  lifecycle: Pick<CallLifecycle, "errorFor" | "report" | "run">,
): UniversalServerResponse {
  const { call } = served;
  if (typeof (response as UniversalServerResponse | null | undefined)?.status !== "number") {
    throw new TypeError(
      `Cannot serve ${call.operation}: a layer returned no response; return what the next one returns`,
    );
  }
  if (call.outcome !== undefined) return response;
  // Some platforms send what they must not, and others fail where nobody can say anything any more.
  if (response.header !== undefined) checkSendable(response.header);
  if (response.body === undefined) {
    call.end(outcomeOfCode(statusFromHttp(response.status, undefined)));
    return response;
  }
  const body = new ResponseBody(response, response.body, served, lifecycle);
  return { ...response, body: { [Symbol.asyncIterator]: () => body } };
}

/** Its methods never throw, and what is thrown beneath them always ends the call. */
class ResponseBody implements AsyncIterator<Uint8Array> {
  readonly #inner: AsyncIterator<Uint8Array>;
  readonly #response: UniversalServerResponse;
  readonly #served: ServedCall;
  readonly #lifecycle: Pick<CallLifecycle, "errorFor" | "report" | "run">;
  readonly #detach: () => void;
  #status: number | undefined;
  #ended = false;
  /** The frame that says why the response was cut off, until it is handed out. */
  #last: Uint8Array | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;

  constructor(
    response: UniversalServerResponse,
    body: AsyncIterable<Uint8Array>,
    served: ServedCall,
    lifecycle: Pick<CallLifecycle, "errorFor" | "report" | "run">,
  ) {
    this.#inner = body[Symbol.asyncIterator]();
    this.#response = response;
    this.#served = served;
    this.#lifecycle = lifecycle;
    if (!served.wire.enveloped && response.status < 300) this.#status = 0;
    this.#detach = served.call.onCancel((reason) => this.#cut(reason));
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return Promise.resolve(this.#takeLast());
    const waiting = Promise.withResolvers<IteratorResult<Uint8Array>>();
    this.#waiting = waiting;
    try {
      this.#lifecycle
        .run(this.#served.call, () => this.#inner.next())
        .then(
          (result) => this.#take(result),
          (error: unknown) => this.#fail(error),
        );
    } catch (error) {
      this.#fail(error);
    }
    return waiting.promise;
  }

  throw(error: unknown): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) this.#served.call.cancel(error);
    return Promise.resolve(done);
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) this.#served.call.cancel();
    return Promise.resolve(done);
  }

  #take(result: IteratorResult<Uint8Array>): void {
    if (this.#ended) return;
    try {
      if (result.done === true) this.#end();
      else this.#look(result.value);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#waiting?.resolve(result);
    this.#waiting = undefined;
  }

  #look(chunk: Uint8Array): void {
    this.#served.progress++;
    const { wire, failure } = this.#served;
    if (wire.enveloped) this.#status = statusInChunk(wire, chunk) ?? this.#status;
    else this.#status ??= statusFromHttp(this.#response.status, chunk);
    if (this.#status !== Code.Internal || failure !== undefined) return;
    // Connect itself turns a message that cannot be written into an error, past the interceptors.
    const said = messageInChunk(wire, chunk);
    if (said?.startsWith("serialize ")) {
      const unsendable = new ConnectError(said, Code.Internal);
      this.#served.failure = unsendable;
      this.#lifecycle.report(this.#served.call, unsendable);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#detach();
    const { call, wire, failure } = this.#served;
    const status = wire.protocol === "grpc" ? grpcStatus(this.#response.trailer) : this.#status;
    call.end(outcomeOfCode(status ?? failure?.code ?? statusFromHttp(this.#response.status, undefined)));
  }

  /** What produces the response failed where it should not: says so in the last frame, or breaks the response off. */
  #fail(thrown: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#detach();
    const { call, wire } = this.#served;
    const error = this.#lifecycle.errorFor(call, thrown);
    this.#served.failure ??= error;
    call.end(outcomeOfCode(this.#served.failure.code));
    this.#finish(error);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (wire.enveloped) waiting?.resolve(this.#takeLast());
    else waiting?.reject(thrown);
  }

  #cut(reason: unknown): void {
    this.#ended = true;
    const { call } = this.#served;
    const error = this.#lifecycle.errorFor(call, reason);
    this.#finish(error);
    this.#waiting?.resolve(this.#takeLast());
    this.#waiting = undefined;
    try {
      // Frees what the handler holds, as soon as it lets go; it may never do so.
      (this.#inner.throw?.(error) ?? this.#inner.return?.())?.catch(() => {});
    } catch {
      // It was told.
    }
    call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
  }

  /** Prepares the last words; they are left out where they cannot be said. */
  #finish(error: ConnectError): void {
    const { call, wire } = this.#served;
    try {
      if (wire.protocol === "grpc" && this.#response.trailer !== undefined) {
        setTrailerStatus(this.#response.trailer, error);
      }
      this.#last = endFrame(wire, error);
    } catch (unsendable) {
      this.#lifecycle.report(call, unsendable);
    }
  }

  #takeLast(): IteratorResult<Uint8Array> {
    const last = this.#last;
    this.#last = undefined;
    return last === undefined ? done : { done: false, value: last };
  }
}
