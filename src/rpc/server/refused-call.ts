import type { ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { MeshError } from "../../core/errors.ts";
import type { StreamHandler } from "../../http/http2/streams/stream.ts";
import type { InboundRequest } from "../../serve/admission.ts";
import type { CallLifecycle } from "./dispatcher.ts";
import type { ServerResponse } from "./response-trailers.ts";

/**
 * One RPC that cannot be served, whoever sends it: its form is wrong, or nobody serves its path.
 *
 * It passes the chain like any other, so that a client which may not call learns nothing but that.
 */
export class RefusedCall implements StreamHandler {
  readonly #gate: CallLifecycle;
  readonly #response: ServerResponse;
  readonly #call: Call;
  #over = false;

  constructor(gate: CallLifecycle, response: ServerResponse, call: Call) {
    this.#gate = gate;
    this.#response = response;
    this.#call = call;
    response.stream.handler = this;
    call.onCancel((reason) => this.#fail(reason));
  }

  /** Admits the call, or not, and fails it with `fault` at the latest. */
  refuse(inbound: InboundRequest, fault: ConnectError): void {
    const fail = (error: unknown): void => this.#fail(error);
    try {
      const admitted = this.#gate.admit(this.#call, inbound);
      if (admitted === undefined) fail(fault);
      else admitted.then(() => fail(fault), fail);
    } catch (error) {
      fail(error);
    }
  }

  #fail(thrown: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#response.refuse(this.#gate, this.#call, undefined, thrown);
  }

  onHeaders(): void {
    // A server is given them before the call exists.
  }

  onData(): void {
    // Nobody reads it.
  }

  onTrailers(): void {
    // gRPC knows none in requests.
  }

  onEnd(): void {
    // The response does not depend on it.
  }

  onDrain(): void {
    // One block is all there is to send.
  }

  /** The stream is gone: before the response was sent, that means that the client lost interest. */
  onClose(): void {
    if (!this.#over)
      this.#call.cancel(new MeshError("ERR_CANCELLED", "The client cancelled the call or went away"));
  }
}
