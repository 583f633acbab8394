import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { fieldOf } from "../../http/fields.ts";
import type { Fields } from "../../http/http2/streams/stream.ts";
import { meshCall } from "../context.ts";
import { headersOf } from "../dialect/lazy-headers.ts";
import { errorFromCancel } from "../dialect/transport-faults.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";

/**
 * Connect's `HandlerContext`, of which every part is made at the first look: a handler that looks at none
 * pays for none.
 */
export class GrpcContext implements HandlerContext {
  readonly method: DescMethod;
  readonly service: DescService;
  readonly requestMethod: string = "POST";
  readonly protocolName: string = "grpc";
  readonly #call: Call;
  readonly #fields: Fields;
  readonly #lifecycle: Pick<CallLifecycle, "timeLeft">;
  #requestHeader: Headers | undefined = undefined;
  #responseHeader: Headers | undefined = undefined;
  #responseTrailer: Headers | undefined = undefined;
  #values: ContextValues | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #settled = false;
  #reason: unknown = undefined;

  constructor(method: DescMethod, call: Call, fields: Fields, lifecycle: Pick<CallLifecycle, "timeLeft">) {
    this.method = method;
    this.service = method.parent;
    this.#call = call;
    this.#fields = fields;
    this.#lifecycle = lifecycle;
  }

  get url(): string {
    const fields = this.#fields;
    const authority = fieldOf(fields, ":authority") ?? fieldOf(fields, "host") ?? "localhost";
    return `${fieldOf(fields, ":scheme") ?? "http"}://${authority}${fieldOf(fields, ":path") ?? "/"}`;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= headersOf(this.#fields);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  /** The response headers, if anybody looked at them. */
  get touchedHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  /** The response trailers, if anybody looked at them. */
  get touchedTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues().set(meshCall, this.#call);
    return this.#values;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#settled) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Milliseconds left of the time that the caller granted, and the server with it. */
  get timeoutMs(): () => number | undefined {
    return () => this.#lifecycle.timeLeft(this.#call);
  }

  /** Says that the RPC is over; with a reason when it was cancelled. */
  settle(reason?: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    if (reason !== undefined) this.#reason = errorFromCancel(reason);
    this.#controller?.abort(this.#reason);
  }
}
