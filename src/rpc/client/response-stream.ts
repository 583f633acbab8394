import type { Call } from "../../core/call.ts";
import { type FaultOf, MeshError } from "../../core/errors.ts";
import { type Outcome, ok } from "../../core/outcome.ts";
import type { UserLayerDialect } from "../../policy/user-layers.ts";
import { unlessCancelled } from "../../policy/wait.ts";
import { callerError } from "../dialect/mesh-error-codes.ts";
import { outcomeOfRpcError } from "../dialect/rpc-outcome.ts";
import { iteratorOf } from "../safe-interceptor.ts";
import type { RpcResponse } from "./rpc-request.ts";

/** The response of a stream as the transport gave it. */
export interface OpenStream {
  readonly messages: AsyncIterator<unknown>;
  /** The first result, when it was waited for. */
  readonly first: IteratorResult<unknown> | undefined;
  readonly faultOf: FaultOf | undefined;
  /** Whether a read may go on although the call was cancelled. */
  readonly mayBeDeaf: boolean;
}

const done: IteratorResult<unknown> = { done: true, value: undefined };

/**
 * The messages of a response, wrapped once for the whole pipeline: ends the call when the stream ends, fails, is given
 * up by its reader, or is cut off by its deadline while nobody reads.
 */
export class ResponseStream implements AsyncIterable<unknown>, AsyncIterator<unknown> {
  readonly #call: Call;
  readonly #messages: AsyncIterator<unknown>;
  readonly #faultOf: FaultOf | undefined;
  readonly #mayBeDeaf: boolean;
  #first: IteratorResult<unknown> | undefined;
  #ended = false;
  #detach: () => void = () => {};

  constructor(call: Call, stream: OpenStream) {
    this.#call = call;
    this.#messages = stream.messages;
    this.#faultOf = stream.faultOf;
    this.#mayBeDeaf = stream.mayBeDeaf;
    this.#first = stream.first;
    if (stream.first?.done === true) this.#finish(ok);
    else this.#detach = call.onCancel((reason) => this.#cut(reason));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    const first = this.#first;
    if (first !== undefined) {
      this.#first = undefined;
      return Promise.resolve(first);
    }
    if (this.#call.cancelled) return Promise.reject(callerError(this.#call, this.#call.reason));
    if (this.#ended) return Promise.resolve(done);
    const read = this.#messages.next();
    return (this.#mayBeDeaf ? unlessCancelled(this.#call, read) : read).then(
      (result) => {
        if (result.done === true) this.#finish(ok);
        return result;
      },
      (error: unknown) => {
        const shown = callerError(this.#call, error);
        this.#finish(outcomeOfRpcError(this.#call, shown, this.#faultOf));
        throw shown;
      },
    );
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#giveUp();
    return Promise.resolve({ done: true, value });
  }

  throw(error?: unknown): Promise<IteratorResult<unknown>> {
    this.#giveUp();
    return Promise.reject(error);
  }

  #giveUp(): void {
    if (this.#ended) return;
    this.#call.cancel(new MeshError("ERR_CANCELLED", "The stream was given up by its reader"));
  }

  #cut(reason: unknown): void {
    this.#finish(outcomeOfRpcError(this.#call, reason, this.#faultOf));
    // Connect's streams cannot be returned, and clear their timers only when they are asked once more.
    (this.#messages.return?.() ?? this.#messages.next()).catch(() => {});
  }

  #finish(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#detach();
    this.#call.end(outcome);
  }
}

/** How RPCs end whose response a layer or an interceptor has made. */
export const rpcUserLayerDialect: UserLayerDialect<RpcResponse> = {
  adopt(call, response) {
    if (!response.stream) {
      call.end(ok);
      return response;
    }
    const messages = iteratorOf(response.message as AsyncIterable<unknown>);
    const message = new ResponseStream(call, {
      messages,
      first: undefined,
      faultOf: undefined,
      mayBeDeaf: true,
    });
    // Connect types the messages of a stream by its method, which is not known here.
    return { ...response, message: message as AsyncIterable<never> };
  },
  follow: (_call, response) => response,
};
