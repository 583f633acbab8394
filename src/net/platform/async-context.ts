import { AsyncLocalStorage } from "node:async_hooks";
import type { Call } from "../../core/call.ts";
import type { AsyncContext } from "../port.ts";

const storage = new AsyncLocalStorage<Call>();

/** The async context of the runtimes that have `AsyncLocalStorage`. */
export const asyncContext: AsyncContext = {
  run: (call, task) => storage.run(call, task),
  current: () => storage.getStore(),
};
