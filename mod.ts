/**
 * The communication layer of a service mesh, as a library: REST, gRPC, gRPC-Web and Connect, clients and
 * servers, on Node, Deno, Bun and workerd.
 *
 * @module
 */
export * from "./src/balance/mod.ts";
export * from "./src/core/mod.ts";
export * from "./src/discovery/mod.ts";
export type { RestClient, RestDefaults, RestOptions } from "./src/http/client.ts";
export { HttpError, isHttpError } from "./src/http/http-error.ts";
export type { MeshFetch, MeshFetchInit } from "./src/http/mesh-fetch.ts";
export { errorFromProblem, type Problem, problemFromError } from "./src/http/problem.ts";
export type { ResponsePromise } from "./src/http/response-promise.ts";
export type { RestHealth } from "./src/http/rest-health.ts";
export type { RestResponse } from "./src/http/rest-response.ts";
export { createMesh } from "./src/mesh.ts";
export type {
  ClientPolicy,
  HandlerOptions,
  Mesh,
  MeshHandler,
  MeshOptions,
  MeshTransport,
  ServedHealthOptions,
  ServeOptions,
  Server,
  TransportOptions,
} from "./src/options.ts";
export * from "./src/policy/mod.ts";
export { type MeshCallOptions, meshCall, meshCallOptions } from "./src/rpc/context.ts";
export type { AnswerCompression } from "./src/rpc/dispatcher.ts";
export type { RpcHealth, RpcHealthOptions } from "./src/rpc/health/rpc-health.ts";
export type { RpcProtocol } from "./src/rpc/protocol-choice.ts";
export type { RpcRouter } from "./src/rpc/router.ts";
export type { RpcValidation } from "./src/rpc/validation.ts";
export type { RpcCompression, RpcKeepalive, RpcWireOptions } from "./src/rpc/wire-options.ts";
export type { Capabilities, Runtime, RuntimeName } from "./src/runtime/port.ts";
export * from "./src/security/mod.ts";
export * from "./src/server/mod.ts";
export * from "./src/telemetry/mod.ts";
