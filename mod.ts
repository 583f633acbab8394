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
  type ProblemOptions,
  problemFromError,
  type Violation,
} from "./src/http/problem.ts";
export { httpClassifier, outcomeOfStatus } from "./src/http/status-outcome.ts";
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
  AdminOptions,
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
export type {
  AsyncContext,
  Capabilities,
  ConnectOptions,
  Listener,
  ListenerLimits,
  ListenOptions,
  Runtime,
  RuntimeName,
  ServerKeepalive,
  ServerTls,
} from "./src/net/port.ts";
export * from "./src/policy/mod.ts";
export type { MeshFetchInit } from "./src/rest/fetch-init.ts";
export { HttpError, isHttpError } from "./src/rest/http-error.ts";
export type { HttpBody, HttpRequest, HttpResponse, HttpTransport } from "./src/rest/http-transport.ts";
export type { MeshFetch } from "./src/rest/mesh-fetch.ts";
export type { HeadersInput } from "./src/rest/request-headers.ts";
export type { ResponsePromise } from "./src/rest/response-promise.ts";
export type { RestBody } from "./src/rest/rest-body.ts";
export type { RestClient, RestDefaults, RestOptions } from "./src/rest/rest-client.ts";
export type { RestHealth } from "./src/rest/rest-health.ts";
export type { HookContext, HookError, HookRequest, HookResponse, RestHooks } from "./src/rest/rest-hooks.ts";
export type { Query, QueryValue } from "./src/rest/rest-path.ts";
export type { RequestHooks, RestRequest } from "./src/rest/rest-request.ts";
export type { RestResponse } from "./src/rest/rest-response.ts";
export type { RequestStream } from "./src/rpc/client/replayable-input.ts";
export type { RpcRequest, RpcResponse } from "./src/rpc/client/rpc-request.ts";
export type { RpcTransport, RpcTransportOptions, RpcTransportState } from "./src/rpc/client/rpc-transport.ts";
export type {
  RpcCompression,
  RpcKeepalive,
  RpcTransportEncoding,
} from "./src/rpc/client/transport-settings.ts";
export { callOptions, type MeshCallOptions, meshCall, meshCallOptions } from "./src/rpc/context.ts";
export { meshErrorFromConnectError } from "./src/rpc/dialect/mesh-error-codes.ts";
export { outcomeOfRpcError, rpcClassifier } from "./src/rpc/dialect/rpc-outcome.ts";
export type { RpcProtocol } from "./src/rpc/dialect/rpc-protocol.ts";
export type { RpcHealth, RpcHealthOptions } from "./src/rpc/health/rpc-health.ts";
export { connectErrorFromProblem, type ProblemLike, problemFromConnectError } from "./src/rpc/problem.ts";
export type { CallLifecycle } from "./src/rpc/server/call-lifecycle.ts";
export type {
  ResponseCompression,
  RpcDispatcher,
  RpcHandler,
  RpcMethod,
  RpcMethodOptions,
} from "./src/rpc/server/dispatcher.ts";
export type { RpcRouter } from "./src/rpc/server/router.ts";
export type { RpcValidation } from "./src/rpc/server/validation.ts";
export * from "./src/security/mod.ts";
export * from "./src/serve/mod.ts";
export * from "./src/telemetry/mod.ts";
