/**
 * Serves one REST route in one of several ways, until it is killed.
 *
 * - `bare`: a bare Hono app on the runtime's usual server (`@hono/node-server`, `Deno.serve`, `Bun.serve`)
 * - `stock`: the same behind Hono's own request id, CORS, body limit and bearer check, and a Prometheus histogram
 * - `native`: the runtime's own server without any framework
 * - `listener`: a bare Hono app served by the mesh; `mesh`: with the whole chain on it; both in the default mode, one port
 */
import process from "node:process";
import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { requestId } from "hono/request-id";
import { Histogram, Registry } from "prom-client";
import { createMesh, staticTokens } from "../../mod.ts";

interface NativeServer {
  readonly Deno?: {
    serve(
      options: { port: number; hostname: string; onListen(address: { port: number }): void },
      handler: (request: Request) => Response | Promise<Response>,
    ): unknown;
  };
  readonly Bun?: {
    serve(options: {
      port: number;
      hostname: string;
      fetch(request: Request): Response | Promise<Response>;
    }): { port: number };
  };
}

const { Deno, Bun } = globalThis as NativeServer;
const ready = (port: number): void => console.log(JSON.stringify({ port }));

async function serveNatively(handler: (request: Request) => Response | Promise<Response>): Promise<void> {
  if (Deno !== undefined) {
    Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: ({ port }) => ready(port) }, handler);
  } else if (Bun !== undefined) {
    ready(Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler }).port);
  } else {
    const { serve } = await import("@hono/node-server");
    serve({ fetch: handler, port: 0, hostname: "127.0.0.1" }, ({ port }) => ready(port));
  }
}

function route<Env extends object>(app: Hono<Env>): Hono<Env> {
  app.get("/api/datasets/:name", (c) => c.json({ name: c.req.param("name"), rows: 1461 }));
  app.post("/api/datasets/:name", async (c) => {
    const { from, to } = await c.req.json<{ from: string; to: string }>();
    return c.json({ name: c.req.param("name"), from, to });
  });
  return app;
}

function stockApp(): Hono {
  const app = new Hono();
  const seconds = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time to respond",
    labelNames: ["method", "route", "status"],
    registers: [new Registry()],
  });
  app.use(requestId());
  app.use(async (c, next) => {
    const start = performance.now();
    await next();
    seconds.observe(
      { method: c.req.method, route: "/api/datasets/:name", status: c.res.status },
      (performance.now() - start) / 1000,
    );
  });
  app.use(cors({ origin: "https://example.com" }));
  app.use(bodyLimit({ maxSize: 1024 * 1024 }));
  app.use(bearerAuth({ token: "bench" }));
  return app;
}

const mesh = createMesh({
  service: "bench",
  server: {
    auth: { validate: staticTokens({ bench: "load" }) },
    rateLimit: { perMinute: 1e9, burst: 1e9 },
    cors: { origins: ["https://example.com"] },
  },
});

const kind = process.argv[2];
switch (kind) {
  case "bare":
    await serveNatively(route(new Hono()).fetch);
    break;
  case "stock":
    await serveNatively(route(stockApp()).fetch);
    break;
  case "native":
    await serveNatively(() => Response.json({ name: "seattle-weather", rows: 1461 }));
    break;
  case "listener": {
    const app = route(new Hono());
    const listener = await mesh.runtime.listen({
      hostname: "127.0.0.1",
      ports: { all: 0 },
      tls: undefined,
      fetch: (request) => app.fetch(request),
      rpc: undefined,
      onConnectionError() {},
    });
    ready(listener.ports.rest);
    break;
  }
  case "mesh": {
    const server = await mesh.serve({
      app: route(mesh.app()),
      routes: () => {},
      hostname: "127.0.0.1",
      port: 0,
    });
    ready(server.port);
    break;
  }
  default:
    throw new TypeError(`Cannot serve: "${kind}" is no kind of REST target`);
}
