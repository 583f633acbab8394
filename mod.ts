/**
 * The communication layer of a service mesh, as a library: REST, gRPC, gRPC-Web and Connect, clients and
 * servers, on Node, Deno, Bun and workerd.
 *
 * @module
 */
export * from "./src/balance/mod.ts";
export * from "./src/core/mod.ts";
export * from "./src/discovery/mod.ts";
export * from "./src/hono/mod.ts";
export {
  errorFromProblem,
  isProblemError,
  type Problem,
  ProblemError,
  problemFromError,
} from "./src/http/problem.ts";
export type {
  ClientPolicy,
  MethodPolicy,
  Policies,
  ServiceRetryPolicy,
} from "./src/mesh/client-policy.ts";
export {
  type ClientLayer,
  type ClientLayers,
  type ClientRequest,
  type ClientResponse,
  type MeshLayers,
  withHeaders,
} from "./src/mesh/layers.ts";
export { createMesh } from "./src/mesh/mesh.ts";
export type {
  HandlerOptions,
  Mesh,
  MeshEventListener,
  MeshHandler,
  MeshOptions,
  MeshTransport,
  ServedHealthOptions,
  ServeOptions,
  Server,
  TransportOptions,
} from "./src/mesh/options.ts";
export { policiesFromServiceConfig } from "./src/mesh/service-config.ts";
export type { Capabilities, Runtime, RuntimeName } from "./src/net/port.ts";
export * from "./src/policy/mod.ts";
export { HttpError, isHttpError } from "./src/rest/http-error.ts";
export type { MeshFetch, MeshFetchInit } from "./src/rest/mesh-fetch.ts";
export type { ResponsePromise } from "./src/rest/response-promise.ts";
export type { RestClient, RestDefaults, RestOptions } from "./src/rest/rest-client.ts";
export type { RestHealth } from "./src/rest/rest-health.ts";
export type { RestResponse } from "./src/rest/rest-response.ts";
export type {
  RpcCompression,
  RpcKeepalive,
  RpcTransportEncoding,
} from "./src/rpc/client/transport-settings.ts";
export { callOptions, type MeshCallOptions, meshCall, meshCallOptions } from "./src/rpc/context.ts";
export { meshErrorFromConnectError } from "./src/rpc/dialect/mesh-error-codes.ts";
export type { RpcProtocol } from "./src/rpc/dialect/rpc-protocol.ts";
export type { RpcHealth, RpcHealthOptions } from "./src/rpc/health/rpc-health.ts";
export { connectErrorFromProblem, type ProblemLike, problemFromConnectError } from "./src/rpc/problem.ts";
export type { ResponseCompression } from "./src/rpc/server/dispatcher.ts";
export type { RpcRouter } from "./src/rpc/server/router.ts";
export type { RpcValidation } from "./src/rpc/server/validation.ts";
export * from "./src/security/mod.ts";
export * from "./src/serve/mod.ts";
export * from "./src/telemetry/mod.ts";
