import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import express, { type ErrorRequestHandler } from "express";
import fastify from "fastify";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, Server } from "../../src/mesh/options.ts";
import { metricValue } from "../support/metric-value.ts";

const trace = "0123456789abcdef0123456789abcdef";
const context = {
  "content-type": "application/json",
  "x-request-id": "request-7",
  traceparent: `00-${trace}-0123456789abcdef-01`,
  "mesh-timeout-ms": "20000",
};

/** A server of another framework, with the same routes: all of them ask the lake, and those of `/fails` fail. */
interface Framework {
  /** Listens, and gives its port and its end. */
  listen(mesh: Mesh): Promise<{ port: number; close(): Promise<void> }>;
}

const askLake = (mesh: Mesh): Promise<Record<string, string>> => mesh.rest("lake").get("context").json();

const frameworks: Readonly<Record<string, Framework>> = {
  Express: {
    async listen(mesh) {
      const app = express();
      app.use(mesh.bridge());
      app.use(express.json());
      app.get("/items/:id", async (_, response) => {
        response.json(await askLake(mesh));
      });
      app.post("/items", async (request, response) => {
        response.json({ ...(await askLake(mesh)), body: request.body });
      });
      app.get("/fails", async () => {
        await askLake(mesh);
        throw new Error("own");
      });
      const own: ErrorRequestHandler = (error: Error, _request, response, _next) => {
        response.status(418).json({ error: error.message });
      };
      app.use(own);
      const server = createServer(app);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return {
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      };
    },
  },
  Fastify: {
    async listen(mesh) {
      const app = fastify({ forceCloseConnections: true });
      app.addHook("onRequest", mesh.bridge());
      app.get("/items/:id", () => askLake(mesh));
      app.post("/items", async (request) => ({ ...(await askLake(mesh)), body: request.body }));
      app.get("/fails", async () => {
        await askLake(mesh);
        throw new Error("own");
      });
      app.setErrorHandler((error: Error, _, reply) => reply.code(418).send({ error: error.message }));
      await app.listen({ port: 0, host: "127.0.0.1" });
      return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
    },
  },
};

let lake: Server;
before(async () => {
  const mesh = createMesh({ service: "lake", server: { rateLimit: false } });
  const app = mesh.app();
  app.get("/context", (c) =>
    c.json({
      requestId: c.req.header("x-request-id"),
      trace: c.req.header("traceparent")?.slice(3, 35),
      isTimed: Number(c.req.header("mesh-timeout-ms")) <= 20_000,
    }),
  );
  lake = await mesh.serve({ app, hostname: "127.0.0.1", port: 0 });
});
after(() => lake.close({ force: true }));

const inherited = { requestId: "request-7", trace, isTimed: true };

for (const [name, framework] of Object.entries(frameworks)) {
  describe(`mesh.bridge() in ${name}`, () => {
    let mesh: Mesh;
    let url: string;
    let close: () => Promise<void>;
    before(async () => {
      mesh = createMesh({ service: "shop", resolver: staticResolver({ lake: [lake.url] }) });
      const listening = await framework.listen(mesh);
      url = `http://127.0.0.1:${listening.port}`;
      close = listening.close;
    });
    after(async () => {
      await close();
      await mesh.close();
    });

    const counted = (operation: string) =>
      metricValue(mesh.metrics, "mesh_server_requests_total", { operation, protocol: "rest" });

    it("lets outgoing calls inherit request id, trace and deadline", async () => {
      const response = await fetch(`${url}/items/7`, { headers: context });
      assert.equal(response.headers.get("x-request-id"), "request-7");
      assert.deepEqual(await response.json(), inherited);
      assert.equal(await counted("GET /items/:id"), 1);
    });

    it("lets them inherit it as well once a body has been parsed", async () => {
      const body = { rows: "x".repeat(50_000) };
      const response = await fetch(`${url}/items`, {
        method: "POST",
        headers: context,
        body: JSON.stringify(body),
      });
      assert.deepEqual(await response.json(), { ...inherited, body });
    });

    it("leaves errors and unknown paths to the framework", async () => {
      const failed = await fetch(`${url}/fails`, { headers: context });
      assert.deepEqual([failed.status, await failed.json()], [418, { error: "own" }]);
      assert.equal((await fetch(`${url}/nowhere`)).status, 404);
      assert.equal(await counted("GET"), 1);
    });

    it("responds for a request whose time was up when it came", async () => {
      const response = await fetch(`${url}/items/7`, { headers: { ...context, "mesh-timeout-ms": "0" } });
      assert.equal(response.status, 504);
      assert.equal((await fetch(`${url}/items/7`, { headers: context })).status, 200);
    });
  });
}
