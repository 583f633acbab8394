export type { Resolution, Resolver } from "./resolver.ts";
export {
  type StaticEndpoints,
  type StaticResolverOptions,
  type StaticServices,
  staticResolver,
} from "./static-resolver.ts";
