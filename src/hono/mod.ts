export {
  type AppOptions,
  type CreateAppOptions,
  createApp,
  type MiddlewareOptions,
  meshMiddleware,
} from "./app.ts";
export { bodyLimit } from "./body-limit.ts";
export type { CorsOptions } from "./cors.ts";
export type { MeshEnv } from "./env.ts";
export type { ExposeOptions, Exposure } from "./health-routes.ts";
export type { CallScope } from "./routed-request.ts";
export { type StandardSchema, ValidationError, type ValidationTarget, validate } from "./validate.ts";
