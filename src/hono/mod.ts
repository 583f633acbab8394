export { createApp } from "./app.ts";
export type { AppOptions, CreateAppOptions } from "./app-options.ts";
export { bodyLimit } from "./body-limit.ts";
export type { MeshEnv } from "./env.ts";
export type { ExposeOptions, Exposure } from "./health-routes.ts";
export { meshMiddleware } from "./middleware.ts";
export type { CallScope } from "./routed-request.ts";
export type { ServedApp } from "./served-app.ts";
export {
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  ValidationError,
  type ValidationTarget,
  validate,
} from "./validate.ts";
