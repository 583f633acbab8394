export {
  type Bridge,
  type BridgeOptions,
  createBridge,
  type Emitter,
  type NodeRequest,
  type NodeResponse,
} from "./bridge.ts";
export type { Cors, CorsOptions, CorsTarget } from "./cors.ts";
export {
  createHealth,
  type Health,
  type HealthListener,
  type HealthStatus,
  type Readiness,
} from "./health.ts";
export type { HealthCheck, HealthFindings, HealthOptions } from "./health-checks.ts";
export type { InboundRequest, ServedRequest, ServerLayer, ServerLayers } from "./inbound-request.ts";
export {
  createLifecycle,
  type Drainable,
  type DrainOptions,
  type Lifecycle,
  type LifecycleOptions,
} from "./lifecycle.ts";
export type { ClientLimit, OperationOptions } from "./operation-limits.ts";
export {
  createRequestPipeline,
  type RequestPipeline,
  type RequestPipelineOptions,
} from "./request-pipeline.ts";
export { ServerCall } from "./server-call.ts";
export type { ServerOptions } from "./server-options.ts";
