import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { isMeshError, isTransportError } from "../../src/core/errors.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import { isHttpError } from "../../src/rest/http-error.ts";
import { closeAll, deadOrigin, listening, meshOver, serverOf } from "../net/listen/http-fixture.ts";
import { metricValue } from "../support/metric-value.ts";
import { drain, errorOf } from "./lake.ts";

after(closeAll);

const outcomes = (mesh: Mesh, outcome: string): Promise<number | undefined> =>
  metricValue(mesh.metrics, "mesh_client_requests_total", { service: "lake", outcome });

const fastRetry = { backoff: () => 0 };

describe("a REST client over sockets", () => {
  it("keeps connections for the next requests", async () => {
    let connections = 0;
    const server = createServer((request, response) => {
      if (request.url === "/nothing") response.statusCode = 204;
      response.end(request.url === "/nothing" ? undefined : request.url);
    });
    server.on("connection", () => connections++);
    const lake = meshOver([await listening(server)]).rest("lake");
    for (const path of ["a", "b", "c", "d", "e", "f", "g"])
      assert.equal(await lake.get(path).text(), `/${path}`);
    // Responses without a body leave it as it was.
    assert.equal((await lake.delete("nothing")).status, 204);
    assert.equal(await lake.get("h").text(), "/h");
    // A pool may have opened a second one before the first was free.
    assert.ok(connections <= 2, `${connections} connections for 9 requests in a row`);
    assert.equal((await lake.head("i")).status, 200);
  });

  it("says refused when nobody listens, and counts it", async () => {
    const origin = await deadOrigin();
    const mesh = meshOver([origin]);
    const error = await errorOf(mesh.rest("lake").post("x", { json: 1 }));
    assert.ok(isTransportError(error), String(error));
    assert.deepEqual([error.fault, error.neverStarted], ["refused", true]);
    assert.match(error.message, new RegExp(`^Cannot reach lake at ${origin}: `));
    assert.equal(await outcomes(mesh, "transport_refused"), 1);
  });

  it("goes to the next endpoint when one is dead, also with what may not be repeated", async () => {
    const alive = await serverOf((_, response) => response.end("alive"));
    const lake = meshOver([await deadOrigin(), alive], { policies: { lake: { retry: fastRetry } } }).rest(
      "lake",
    );
    for (let i = 0; i < 8; i++) assert.equal(await lake.post("x", { json: i }).text(), "alive");
  });

  it("gives up at the deadline when the endpoint accepts and never responds, and closes the connection", async () => {
    const server = createTcpServer();
    const closed = new Promise<void>((resolve) => {
      server.on("connection", (socket: Socket) => {
        socket.resume();
        socket.on("close", () => resolve());
      });
    });
    const mesh = meshOver([await listening(server)]);
    const error = await errorOf(mesh.rest("lake").get("x", { timeoutMs: 60 }));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
    await closed;
    assert.equal(await outcomes(mesh, "deadline_exceeded"), 1);
  });

  it("does not repeat a request that was cut off without a response, unless it may be", async () => {
    let requests = 0;
    const origin = await serverOf((request, response) => {
      request.resume();
      if (++requests % 2 === 1) request.socket.destroy();
      else response.end("ok");
    });
    const lake = meshOver([origin], { policies: { lake: { retry: fastRetry } } }).rest("lake");
    const error = await errorOf(lake.post("x", { json: 1 }));
    assert.ok(isTransportError(error), String(error));
    assert.equal(error.neverStarted, false);
    assert.equal(requests, 1);
    requests = 0;
    assert.equal(await lake.put("x", { json: 1 }).text(), "ok");
    assert.equal(requests, 2);
  });

  for (const how of ["text", "stream"] as const) {
    it(`fails when the endpoint vanishes in the middle of the body, read as ${how}, and goes on afterwards`, async () => {
      const origin = await serverOf((request, response) => {
        if (request.url === "/fine") {
          response.end("fine");
          return;
        }
        response.writeHead(200, { "content-length": "1000" });
        response.write("some", () => request.socket.destroy());
      });
      const mesh = meshOver([origin]);
      const lake = mesh.rest("lake");
      const error = await errorOf(how === "text" ? lake.get("x").text() : drain(lake.get("x").stream()));
      assert.ok(isTransportError(error), `${error} ${(error as Error).cause}`);
      assert.match(error.message, /^Cannot read the response of lake/);
      assert.equal(await outcomes(mesh, `transport_${error.fault}`), 1);
      assert.equal(await lake.get("fine").text(), "fine");
    });
  }

  it("ends at the deadline when the body stalls", async () => {
    const origin = await serverOf((_, response) => {
      response.writeHead(200);
      response.write("some");
    });
    const mesh = meshOver([origin]);
    const error = await errorOf(mesh.rest("lake").get("x", { timeoutMs: 60 }).text());
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
  });

  it("says so when the endpoint speaks no HTTP", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", () => socket.end("SSH-2.0-OpenSSH_9.9\r\n"));
    });
    const error = await errorOf(
      meshOver([await listening(server)])
        .rest("lake")
        .get("x"),
    );
    assert.ok(isTransportError(error), `${error} ${(error as Error).cause}`);
    assert.equal(error.neverStarted, false);
  });

  it("names the request when the response is malformed JSON", async () => {
    const origin = await serverOf((_, response) => response.end("{]"));
    const error = await errorOf(meshOver([origin]).rest("lake").get("x").json());
    assert.ok(isMeshError(error, "ERR_INVALID_BODY"));
    assert.match(error.message, /^GET lake\/x returned 200 with "\{\]": no JSON/);
  });

  it("carries the service's problem, whatever the length of the response", async () => {
    const detail = "x".repeat(30_000);
    for (const chunked of [false, true]) {
      const origin = await serverOf((_, response) => {
        response.statusCode = 409;
        response.setHeader("content-type", "application/problem+json");
        const text = JSON.stringify({ type: "about:blank", title: "Conflict", status: 409, detail });
        if (!chunked) response.setHeader("content-length", text.length);
        response.write(text.slice(0, 10));
        response.end(text.slice(10));
      });
      const error = await errorOf(meshOver([origin]).rest("lake").get("x"));
      assert.ok(isHttpError(error, 409));
      assert.equal(error.problem?.detail, detail);
    }
  });

  it("ends the exchange when the caller's signal aborts", async () => {
    let arrived = (): void => {};
    const inbound = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let gone = (): void => {};
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const origin = await serverOf((_, response) => {
      response.on("close", gone);
      arrived();
    });
    const mesh = meshOver([origin]);
    const controller = new AbortController();
    const failed = errorOf(mesh.rest("lake").get("x", { signal: controller.signal }));
    await inbound;
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    assert.equal(await failed, reason);
    await closed;
    assert.equal(await outcomes(mesh, "cancelled"), 1);
  });

  it("ends the transfer when the reader leaves the loop", async () => {
    let gone = (): void => {};
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const origin = await serverOf((_, response) => {
      response.on("close", gone);
      response.write("x".repeat(100_000));
    });
    for await (const chunk of meshOver([origin]).rest("lake").get("x").stream()) {
      assert.ok(chunk.byteLength <= 8192);
      break;
    }
    await closed;
  });

  it("opens no more connections to an endpoint than it may", async () => {
    let open = 0;
    let most = 0;
    const server = createServer((_, response) => {
      setImmediate(() => response.end("ok"));
    });
    server.on("connection", (socket: Socket) => {
      most = Math.max(most, ++open);
      socket.on("close", () => open--);
    });
    const origin = await listening(server);
    const lake = meshOver([origin], { maxConnectionsPerEndpoint: 3 }).rest("lake");
    const responses = await Promise.all(Array.from({ length: 30 }, () => lake.get("x").text()));
    assert.equal(responses.length, 30);
    assert.ok(most <= 3, `${most} connections were open at once`);
  });

  it("frees the connection of a response that nobody reads", async () => {
    const origin = await serverOf((_, response) => response.end("a short response"));
    const lake = meshOver([origin], { maxConnectionsPerEndpoint: 1 }).rest("lake");
    for (let i = 0; i < 3; i++) assert.equal((await lake.get("x")).status, 200);
    for (let i = 0; i < 3; i++) (await lake.get("x")).cancel();
    assert.equal(await lake.get("x").text(), "a short response");
  });
});
