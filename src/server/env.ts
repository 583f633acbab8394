import type { Call } from "../core/call.ts";
import type { Connection } from "../core/connection.ts";
import { onCloudflare } from "../core/platform.ts";

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

const noAddress: Connection = { remoteAddress: "", encrypted: false, httpVersion: "", peer: undefined };

/** The connection that a request came by: the listener's, else what the platform tells. */
export function connectionOf(request: Request, env: Partial<MeshEnv["Bindings"]> | undefined): Connection {
  const given = env?.connection;
  if (given !== undefined) return given;
  // There the platform itself puts the client's address into a header, so that no client can make it up.
  if (!onCloudflare()) return noAddress;
  return {
    remoteAddress: request.headers.get("cf-connecting-ip") ?? "",
    encrypted: request.url.startsWith("https:"),
    httpVersion: "",
    peer: undefined,
  };
}
