import assert from "node:assert/strict";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import { runtime } from "#runtime";
import type { Call } from "../../src/core/call.ts";
import { MeshError } from "../../src/core/errors.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions } from "../../src/mesh/options.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { Bridge } from "../../src/serve/bridge.ts";
import type { ServerLayer } from "../../src/serve/inbound-request.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { until } from "../rpc/socket-fixture.ts";
import { metricValue } from "../support/metric-value.ts";
import { recordingLogger } from "../telemetry/recording-logger.ts";

const trace = "0123456789abcdef0123456789abcdef";
const context = {
  "x-request-id": "request-7",
  traceparent: `00-${trace}-0123456789abcdef-01`,
  "mesh-timeout-ms": "20000",
};

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A service that tells the context that its callers send, and tells `gone` of those that leave `/slow`. */
async function lake(gone: () => void = () => {}): Promise<string> {
  const mesh = createMesh({ service: "lake", server: { rateLimit: false } });
  const app = mesh.app();
  app.get("/context", (c) =>
    c.json({
      requestId: c.req.header("x-request-id"),
      trace: c.req.header("traceparent")?.slice(3, 35),
      timeoutMs: Number(c.req.header("mesh-timeout-ms")),
    }),
  );
  app.get("/slow", (c) => {
    const call: Call = c.get("call");
    return new Promise<Response>((resolve) => {
      call.onCancel(() => {
        gone();
        resolve(c.text("too late"));
      });
    });
  });
  const server = await mesh.serve({ app, hostname: "127.0.0.1", port: 0 });
  cleanup.add(() => server.close({ force: true }));
  cleanup.add(() => mesh.close());
  return server.url;
}

async function shop(options: Partial<MeshOptions> = {}, gone?: () => void): Promise<Mesh> {
  const mesh = createMesh({
    service: "shop",
    resolver: staticResolver({ lake: [await lake(gone)] }),
    ...options,
  });
  cleanup.add(() => mesh.close());
  return mesh;
}

type Work = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of the platform's own; its address. */
async function listening(bridge: Bridge, work: Work): Promise<string> {
  const server: Server = createServer((request, response) => {
    bridge(request, response, () => work(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup.add(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Responds with what the lake was told. */
function tellContext(mesh: Mesh, response: ServerResponse): void {
  mesh
    .rest("lake")
    .get("context")
    .text()
    .then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
}

function checkInherited(told: unknown): void {
  const { requestId, trace: traceId, timeoutMs } = told as Record<string, unknown>;
  assert.deepEqual([requestId, traceId], ["request-7", trace]);
  assert.ok(typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= 20_000, String(timeoutMs));
}

describe("mesh.bridge() around node:http", () => {
  it("lets outgoing calls inherit request id, trace and deadline", async () => {
    const mesh = await shop();
    const url = await listening(mesh.bridge(), (_, response) => tellContext(mesh, response));
    const response = await fetch(url, { headers: context });
    assert.equal(response.headers.get("x-request-id"), "request-7");
    checkInherited(await response.json());
    const counted = { operation: "GET", protocol: "rest", outcome: "ok" };
    assert.equal(await metricValue(mesh.metrics, "mesh_server_requests_total", counted), 1);
  });

  it("lets them inherit it as well once the body has been read by events", async () => {
    const mesh = await shop();
    const url = await listening(mesh.bridge(), (request, response) => {
      request.on("data", () => {});
      request.on("end", () => tellContext(mesh, response));
    });
    const response = await fetch(url, { method: "POST", body: "x".repeat(100_000), headers: context });
    checkInherited(await response.json());
  });

  it("keeps requests apart that are served at the same time", async () => {
    const mesh = await shop();
    const url = await listening(mesh.bridge(), (_, response) => tellContext(mesh, response));
    const ids = Array.from({ length: 10 }, (_, index) => `request-${index}`);
    const told = await Promise.all(
      ids.map(async (id) => (await fetch(url, { headers: { "x-request-id": id } })).json()),
    );
    assert.deepEqual(
      told.map((each) => (each as { requestId: string }).requestId),
      ids,
    );
  });

  it("has a line of the access log for each request", async () => {
    const { logger, lines } = recordingLogger();
    const mesh = await shop({ logger });
    const url = await listening(mesh.bridge(), (_, response) => {
      response.writeHead(202).end("ok");
    });
    await (await fetch(`${url}/items/7?a=b`, { method: "PUT", headers: context })).text();
    await until(() => lines.some(({ fields }) => fields.event === "request"), "the line");
    const { fields } = lines.find((line) => line.fields.event === "request") ?? {};
    assert.deepEqual(
      [fields?.method, fields?.target, fields?.status, fields?.operation],
      ["PUT", "/items/7?a=b", 202, "PUT"],
    );
  });

  it("makes one call of a request that passes it twice", async () => {
    const mesh = await shop();
    const bridge = mesh.bridge();
    const url = await listening(bridge, (request, response) =>
      bridge(request, response, () => tellContext(mesh, response)),
    );
    checkInherited(await (await fetch(url, { headers: context })).json());
    assert.equal(await metricValue(mesh.metrics, "mesh_server_requests_total", {}), 1);
  });

  it("cancels what is done for a client that goes away", async () => {
    const { promise: gone, resolve: tellGone } = Promise.withResolvers<void>();
    const { promise: failed, resolve: tellFailed } = Promise.withResolvers<unknown>();
    const mesh = await shop({}, tellGone);
    const { promise: begun, resolve: tellBegun } = Promise.withResolvers<void>();
    const url = await listening(mesh.bridge(), () => {
      mesh.rest("lake").get("slow").text().catch(tellFailed);
      tellBegun();
    });
    const request = httpRequest(url);
    request.on("error", () => {});
    request.end();
    await within(begun, "the request");
    request.destroy();
    assert.match(String(await within(failed, "the end of the outgoing call")), /client went away/);
    await within(gone, "the end of the lake's call");
    const counted = { outcome: "cancelled" };
    assert.equal(await metricValue(mesh.metrics, "mesh_server_requests_total", counted), 1);
  });

  it("responds for a request whose time was up when it came", async () => {
    const mesh = await shop();
    let worked = false;
    const url = await listening(mesh.bridge(), (_, response) => {
      worked = true;
      response.end();
    });
    const response = await fetch(url, { headers: { ...context, "mesh-timeout-ms": "0" } });
    assert.deepEqual([response.status, worked], [504, false]);
    assert.equal(((await response.json()) as { instance: string }).instance, "request-7");
  });

  for (const how of ["at once", "later"]) {
    it(`responds for a layer of the application's that refuses ${how}`, async () => {
      const refusal = new MeshError("ERR_PERMISSION_DENIED", "Not on Sundays");
      const mesh = await shop({
        layers: {
          server: {
            request: [
              () => () => {
                if (how === "at once") throw refusal;
                return Promise.reject(refusal);
              },
            ],
          },
        },
      });
      let worked = false;
      const url = await listening(mesh.bridge(), () => {
        worked = true;
      });
      const response = await fetch(url);
      const { detail } = (await response.json()) as { detail: string };
      assert.deepEqual([response.status, detail, worked], [403, "Not on Sundays", false]);
    });
  }

  for (const when of ["before", "after"]) {
    it(`responds for a handler that throws within a layer which waits ${when} it, and tells of the error`, async () => {
      const told: unknown[] = [];
      const waiting: ServerLayer = (next) => async (call, request) => {
        if (when === "before") await Promise.resolve();
        return await next(call, request);
      };
      const mesh = await shop({
        layers: { server: { request: [waiting as never] } },
        onError: (error, call) => told.push([String(error), call?.operation]),
      });
      const url = await listening(mesh.bridge(), () => {
        throw new Error("a mistake");
      });
      assert.equal((await within(fetch(url), "the response")).status, 500);
      assert.deepEqual(told, [["Error: a mistake", "GET"]]);
    });
  }

  it("lets everybody in: security and limits are the other server's", async () => {
    const mesh = await shop({
      server: { auth: { validate: staticTokens({ token: "ann" }) }, rateLimit: { perMinute: 1, burst: 1 } },
    });
    const url = await listening(mesh.bridge(), (_, response) => {
      response.end("ok");
    });
    for (let times = 0; times < 3; times++) assert.equal(await (await fetch(url)).text(), "ok");
  });

  it("is refused where there is no async context", () => {
    const { asyncContext: _, ...others } = runtime;
    const mesh = createMesh({ service: "shop", runtime: { ...others, asyncContext: undefined } });
    assert.throws(
      () => mesh.bridge(),
      /Cannot make a bridge on \w+: it has no async context; pass parent to each call instead/,
    );
  });
});
