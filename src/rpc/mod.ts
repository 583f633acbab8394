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
} from "./client/classifier.ts";
export { type MeshCallOptions, meshCall, meshCallOptions } from "./context.ts";
export { createDispatcher, type DispatcherOptions } from "./server/create-dispatcher.ts";
export type {
  AnswerCompression,
  RpcDispatcher,
  RpcGate,
  RpcHandler,
  RpcMethod,
  RpcMethodOptions,
} from "./server/dispatcher.ts";
export { connectErrorFromMeshError, meshErrorFromConnectError } from "./dialect/mesh-error-codes.ts";
export { isReplayable, type RpcRequest, type RpcResponse } from "./client/rpc-request.ts";
export type { FetchFunction, FetchInit } from "./client/fetch-client.ts";
export { createFetchDispatch, type FetchDispatch, type FetchDispatchOptions } from "./server/fetch-dispatch.ts";
export { createFetchRpcLeaf, type FetchRpcLeafOptions } from "./client/fetch-rpc-transport.ts";
export { gzip } from "./message/gzip.ts";
export type { RpcLeaf } from "./client/rpc-transport.ts";
export { Metadata, type MetadataSink } from "./client/attempt-metadata.ts";
export {
  connectErrorFromProblem,
  type ProblemLike,
  problemFromConnectError,
  type RpcProblem,
  type RpcProblemDetail,
} from "./problem.ts";
export type { StreamInput } from "./client/replayable-input.ts";
export type { RpcRouter } from "./server/router.ts";
export { createMeshTransport, type MeshTransportOptions } from "./client/mesh-transport.ts";
