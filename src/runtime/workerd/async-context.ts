import type { Call } from "../../core/call.ts";
import type { AsyncContext } from "../../net/port.ts";

/** There with `nodejs_compat` (the default since August 2026) or `nodejs_als`; without them the module is unknown. */
const hooks = await import("node:async_hooks").catch(() => undefined);

function contextFrom({ AsyncLocalStorage }: typeof import("node:async_hooks")): AsyncContext {
  const storage = new AsyncLocalStorage<Call>();
  return {
    run: (call, task) => storage.run(call, task),
    current: () => storage.getStore(),
  };
}

/** The async context, where the worker's compatibility flags provide one. */
export const asyncContext: AsyncContext | undefined = hooks === undefined ? undefined : contextFrom(hooks);
