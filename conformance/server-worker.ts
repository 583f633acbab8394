/** The worker under test: the library's fetch handler as it runs on Cloudflare Workers. */

import { connectionOf } from "../src/hono/env.ts";
import { createFetchDispatch, type FetchDispatch } from "../src/rpc/server/fetch-dispatch.ts";
import { createConformanceDispatcher } from "./server-dispatcher.ts";

interface Bindings {
  /** The largest message that is taken, in bytes; 0 for none. */
  readonly messageReceiveLimit: number;
}

let dispatch: FetchDispatch | undefined;

const worker: { fetch(request: Request, env: Bindings): Promise<Response> } = {
  async fetch(request, env) {
    dispatch ??= createFetchDispatch(createConformanceDispatcher(env));
    const connection = connectionOf(undefined);
    return (await dispatch(request, connection)) ?? new Response(null, { status: 404 });
  },
};

export default worker;
