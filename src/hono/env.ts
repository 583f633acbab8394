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

const noAddress: Connection = { remoteAddress: "", encrypted: false, httpVersion: "", peer: undefined };

/**
 * The connection that a request came by, as the mesh's listener gives it; nothing is known of it where the platform has
 * a listener of its own. Headers are not trusted here: see `clientAddressHeader` of `createRequestPipeline`.
 */
export function connectionOf(env: Partial<MeshEnv["Bindings"]> | undefined): Connection {
  const given = env?.connection;
  // On an edge platform the environment holds the operator's bindings, and one may have the same name.
  return typeof given?.remoteAddress === "string" ? given : noAddress;
}
