import type { Call } from "../core/call.ts";
import type { Connection } from "../core/connection.ts";
import type { Health } from "../serve/health.ts";

/** Where a server puts its health for the probes of an app. A symbol: an operator's bindings may have any name. */
export const servedHealth: unique symbol = Symbol("health of the server");

/** The Hono environment of an app with the mesh chain: `new Hono<MeshEnv>()`, `Context<MeshEnv>`. */
export interface MeshEnv {
  Bindings: {
    /** Given by the mesh's listeners; absent on platforms that bring their own. */
    readonly connection?: Connection;
    /** The health of the server that the request came to. */
    readonly [servedHealth]?: Pick<Health, "readiness">;
  };
  Variables: {
    /** The call that this request is: request id, trace, principal, deadline, signal. */
    readonly call: Call;
  };
}
