export type { Admission, InboundRequest } from "./admission.ts";
export type { ClientLimit } from "./client-limits.ts";
export { type AdmissionOptions, type ClosableAdmission, createAdmission } from "./create-admission.ts";
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
