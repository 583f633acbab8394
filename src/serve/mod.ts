export type { Admission, Arrival } from "./admission.ts";
export {
  type AppOptions,
  type CreateAppOptions,
  createApp,
  type MiddlewareOptions,
  meshMiddleware,
} from "../hono/app.ts";
export { bodyLimit } from "../hono/body-limit.ts";
export type { CallScope } from "../hono/chain-parts.ts";
export type { ClientLimit } from "./client-limits.ts";
export type { CorsOptions } from "../hono/cors.ts";
export {
  type AdmissionOptions,
  type ClosableAdmission,
  createAdmission,
} from "./create-admission.ts";
export type { MeshEnv } from "../hono/env.ts";
export {
  createHealth,
  type Health,
  type HealthCheck,
  type HealthListener,
  type HealthOptions,
  type HealthStatus,
  type Readiness,
} from "./health.ts";
export { createLifecycle, type Drainable, type Lifecycle, type LifecycleOptions } from "./lifecycle.ts";
export { type StandardSchema, ValidationError, type ValidationTarget, validate } from "../hono/validate.ts";
