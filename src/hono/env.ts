import type { Call } from "../core/call.ts";
import type { Connection } from "../core/connection.ts";

/** The Hono environment of an app with the mesh chain: `new Hono<MeshEnv>()`, `Context<MeshEnv>`. */
export interface MeshEnv {
  Bindings: {
    /** Given by the mesh's listeners; absent on platforms that bring their own. */
    readonly connection?: Connection;
  };
  Variables: {
    /** The call that this request is: request id, trace, principal, deadline, signal. */
    readonly call: Call;
  };
}
