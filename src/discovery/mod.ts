export type { Discovery } from "./discovery.ts";
export { type StaticServices, staticDiscovery } from "./static-discovery.ts";
