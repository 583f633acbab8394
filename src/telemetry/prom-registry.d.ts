// prom-client's main entry loads node modules that edge platforms lack; this file of it loads none.
declare module "prom-client/lib/registry.js" {
  import type { Registry } from "prom-client";

  const registry: typeof Registry;
  export = registry;
}
