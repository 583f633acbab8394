/**
 * RPC on Connect's own contracts: a transport through the mesh's pipeline, a dispatch behind the mesh's chain,
 * and leaves and handlers over fetch, each usable alone.
 *
 * @module
 */
export {
  type FaultOf,
  outcomeOfCode,
  type RpcClassifierOptions,
  type RpcResponseShape,
  rpcClassifier,
} from "./classifier.ts";
export { type MeshCallOptions, meshCall, meshCallOptions } from "./context.ts";
export { createDispatcher, type DispatcherOptions } from "./dispatch.ts";
export type {
  AnswerCompression,
  RpcDispatcher,
  RpcGate,
  RpcHandler,
  RpcMethod,
  RpcMethodOptions,
} from "./dispatcher.ts";
export { connectErrorFromMeshError, meshErrorFromConnectError } from "./errors.ts";
export { isReplayable, type RpcRequest, type RpcResponse } from "./exchange.ts";
export type { FetchFunction, FetchInit } from "./fetch-client.ts";
export { createFetchDispatch, type FetchDispatch, type FetchDispatchOptions } from "./fetch-dispatch.ts";
export { createFetchRpcLeaf, type FetchRpcLeafOptions } from "./fetch-rpc-leaf.ts";
export { gzip } from "./gzip.ts";
export type { RpcLeaf } from "./leaf.ts";
export { Metadata, type MetadataSink } from "./metadata.ts";
export {
  connectErrorFromProblem,
  type ProblemLike,
  problemFromConnectError,
  type RpcProblem,
  type RpcProblemDetail,
} from "./problem.ts";
export type { StreamInput } from "./replayable-input.ts";
export type { RpcRouter } from "./router.ts";
export { createMeshTransport, type MeshTransportOptions } from "./transport.ts";
