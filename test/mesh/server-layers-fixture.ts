import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions } from "../../src/mesh/options.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { ServerLayer } from "../../src/serve/inbound-request.ts";
import { echoRoutes } from "../rpc/echo.ts";

/** A mesh with a layer of its own at each position. */
export interface LayeredMesh {
  readonly mesh: Mesh;
  /** Its app: `/text` and `/stream`. */
  readonly app: ReturnType<Mesh["app"]>;
  readonly routes: typeof echoRoutes;
  /** What the layers saw: position, protocol, operation, who calls, how it ended. */
  readonly seen: string[];
  /** What the layers do before they let a request on. */
  before: (position: "request" | "handler") => void | Promise<void>;
}

/** The token that is let in. */
export const asAnn = { authorization: "Bearer token" };

export function layeredMesh(options: Partial<MeshOptions> = {}): LayeredMesh {
  const seen: string[] = [];
  const noting =
    (position: "request" | "handler"): ServerLayer =>
    (next) =>
    (call, request) => {
      const from = request.headers.get("x-from") ?? "somewhere";
      call.onEnd(({ status }) => {
        const who = call.principal?.id ?? "nobody yet";
        seen.push(`${position} ${request.protocol} ${request.operation} ${who} ${from} ${status}`);
      });
      const late = made.before(position);
      return late instanceof Promise ? late.then(() => next(call, request)) : next(call, request);
    };
  const mesh = createMesh({
    service: "layered",
    server: { rateLimit: false, auth: { validate: staticTokens({ token: "ann" }) } },
    layers: { server: { request: [noting("request")], handler: [noting("handler")] } },
    ...options,
  });
  const app = mesh.app();
  app.get("/text", (c) => c.text("ok"));
  const made: LayeredMesh = { mesh, app, routes: echoRoutes, seen, before: () => {} };
  return made;
}
