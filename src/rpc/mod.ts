/**
 * RPC on Connect's own contracts: a transport through the mesh's pipeline, a dispatch behind the mesh's chain,
 * and leaves and handlers over fetch, each usable alone.
 *
 * @module
 */

export { Metadata, type MetadataSink } from "./client/attempt-metadata.ts";
export {
  type FaultOf,
  outcomeOfCode,
  type RpcClassifierOptions,
  type RpcResponseShape,
  rpcClassifier,
} from "./client/classifier.ts";
export type { FetchFunction, FetchInit } from "./client/fetch-client.ts";
export { createFetchRpcTransport, type FetchRpcTransportOptions } from "./client/fetch-rpc-transport.ts";
export { createMeshTransport, type MeshTransportOptions } from "./client/mesh-transport.ts";
export type { StreamInput } from "./client/replayable-input.ts";
export { isReplayable, type RpcRequest, type RpcResponse } from "./client/rpc-request.ts";
export type { RpcTransport } from "./client/rpc-transport.ts";
export { type MeshCallOptions, meshCall, meshCallOptions } from "./context.ts";
export { connectErrorFromMeshError, meshErrorFromConnectError } from "./dialect/mesh-error-codes.ts";
export { gzip } from "./message/gzip.ts";
export {
  connectErrorFromProblem,
  type ProblemLike,
  problemFromConnectError,
  type RpcProblem,
  type RpcProblemDetail,
} from "./problem.ts";
export { createDispatcher, type DispatcherOptions } from "./server/create-dispatcher.ts";
export type {
  CallLifecycle,
  ResponseCompression,
  RpcDispatcher,
  RpcHandler,
  RpcMethod,
  RpcMethodOptions,
} from "./server/dispatcher.ts";
export {
  createFetchDispatch,
  type FetchDispatch,
  type FetchDispatchOptions,
} from "./server/fetch-dispatch.ts";
export type { RpcRouter } from "./server/router.ts";
