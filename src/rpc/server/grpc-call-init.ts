import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import type { EncodeOptions, MethodCodecs } from "../message/codec.ts";
import type { Compression } from "../message/compression.ts";
import type { CallLifecycle, RpcMethod } from "./dispatcher.ts";
import type { GrpcContext } from "./handler-context.ts";
import type { ServerResponse } from "./response-trailers.ts";

/** What one RPC on the server is made of. */
export interface ServerCallInit {
  readonly method: RpcMethod;
  readonly gate: CallLifecycle;
  readonly call: Call;
  readonly context: GrpcContext;
  readonly response: ServerResponse;
  readonly format: "proto" | "json";
  readonly codecs: MethodCodecs;
  readonly encode: EncodeOptions;
  /** How the messages of the request are compressed. */
  readonly compression: Compression | undefined;
}

/** Whether an implementation made a stream. */
export function isAsyncIterable(output: unknown): output is AsyncIterable<object> {
  return typeof output === "object" && output !== null && Symbol.asyncIterator in output;
}

/** The error of a request that its client broke off. */
export function incomplete(): ConnectError {
  return new ConnectError(
    "protocol error: the request ended in the middle of a message",
    Code.InvalidArgument,
  );
}
