import type { ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Call } from "../core/call.ts";
import { outcomeOfCancelledCall } from "../core/classifier.ts";
import { outcomeOfCode } from "./classifier.ts";
import type { RpcGate } from "./dispatcher.ts";
import { endFrame } from "./error-response.ts";
import { wireError } from "./errors.ts";
import { grpcStatus, statusFromHttp, statusInChunk } from "./verdict.ts";
import type { RpcWire } from "./wire.ts";

/** One RPC while it is served. */
export interface ServedCall {
  readonly call: Call;
  readonly wire: RpcWire;
  /** What the handler or an interceptor threw, as it goes on the wire. */
  failure: ConnectError | undefined;
}

const done: IteratorResult<Uint8Array> = { done: true, value: undefined };

/**
 * Sees a response through: runs what produces it inside the call's context, cuts it off when the call is
 * cancelled (also when the handler does not listen), and ends the call once, with the status at its end.
 */
export function guardResponse(
  response: UniversalServerResponse,
  served: ServedCall,
  gate: Pick<RpcGate, "run">,
): UniversalServerResponse {
  const { call } = served;
  if (call.outcome !== undefined) return response;
  if (response.body === undefined) {
    call.end(outcomeOfCode(statusFromHttp(response.status, undefined)));
    return response;
  }
  const body = new GuardedBody(response, response.body, served, gate);
  return { ...response, body: { [Symbol.asyncIterator]: () => body } };
}

class GuardedBody implements AsyncIterator<Uint8Array> {
  readonly #inner: AsyncIterator<Uint8Array>;
  readonly #response: UniversalServerResponse;
  readonly #served: ServedCall;
  readonly #gate: Pick<RpcGate, "run">;
  readonly #detach: () => void;
  #status: number | undefined;
  #ended = false;
  /** The frame that says why the response was cut off, until it is handed out. */
  #last: Uint8Array | undefined;
  #waiting: ((result: IteratorResult<Uint8Array>) => void) | undefined;

  constructor(
    response: UniversalServerResponse,
    body: AsyncIterable<Uint8Array>,
    served: ServedCall,
    gate: Pick<RpcGate, "run">,
  ) {
    this.#inner = body[Symbol.asyncIterator]();
    this.#response = response;
    this.#served = served;
    this.#gate = gate;
    if (!served.wire.enveloped && response.status < 300) this.#status = 0;
    this.#detach = served.call.onCancel((reason) => this.#cut(reason));
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return Promise.resolve(this.#takeLast());
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#gate
        .run(this.#served.call, () => this.#inner.next())
        .then(
          (result) => {
            if (this.#ended) return;
            this.#waiting = undefined;
            if (result.done === true) this.#end();
            else this.#look(result.value);
            resolve(result);
          },
          (error: unknown) => {
            if (this.#ended) return;
            this.#waiting = undefined;
            this.#served.failure ??= wireError(this.#served.call, error);
            this.#end();
            reject(error);
          },
        );
    });
  }

  throw(error: unknown): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) this.#served.call.cancel(error);
    return Promise.resolve(done);
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) this.#served.call.cancel();
    return Promise.resolve(done);
  }

  #look(chunk: Uint8Array): void {
    const { wire } = this.#served;
    if (wire.enveloped) this.#status = statusInChunk(wire, chunk) ?? this.#status;
    else this.#status ??= statusFromHttp(this.#response.status, chunk);
  }

  #end(): void {
    this.#ended = true;
    this.#detach();
    const { call, wire, failure } = this.#served;
    const status = wire.protocol === "grpc" ? grpcStatus(this.#response.trailer) : this.#status;
    call.end(outcomeOfCode(status ?? failure?.code ?? statusFromHttp(this.#response.status, undefined)));
  }

  #cut(reason: unknown): void {
    this.#ended = true;
    const { call, wire } = this.#served;
    const error = wireError(call, reason);
    if (wire.protocol === "grpc" && this.#response.trailer !== undefined) {
      setTrailerStatus(this.#response.trailer, error);
    }
    this.#last = endFrame(wire, error);
    this.#waiting?.(this.#takeLast());
    this.#waiting = undefined;
    // Frees what the handler holds, as soon as it lets go; it may never do so.
    (this.#inner.throw?.(error) ?? this.#inner.return?.())?.catch(() => {});
    call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
  }

  #takeLast(): IteratorResult<Uint8Array> {
    const last = this.#last;
    this.#last = undefined;
    return last === undefined ? done : { done: false, value: last };
  }
}
