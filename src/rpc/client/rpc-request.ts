import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues, StreamResponse, UnaryResponse } from "@connectrpc/connect";
import type { StreamInput } from "./replayable-input.ts";

/** One RPC as it travels through the pipeline: the same for every attempt. */
export interface RpcRequest {
  readonly method: DescMethod;
  /** What the caller set; each attempt gets a copy. Named so that it needs no library of the DOM. */
  readonly header: RequestInit["headers"] | undefined;
  readonly contextValues: ContextValues;
  /** The one message of a unary call; undefined for streams. */
  readonly message: object | undefined;
  /** The messages of a stream; undefined for a unary call. */
  readonly input: StreamInput | undefined;
}

/** Whether another attempt would send all that the first one did; the retry layer asks. */
export function isReplayable(request: RpcRequest): boolean {
  return request.input === undefined || request.input.replayable;
}

/** What comes back: Connect's own responses. */
export type RpcResponse = UnaryResponse | StreamResponse;
