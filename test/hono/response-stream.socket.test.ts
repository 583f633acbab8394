import assert from "node:assert/strict";
import { get } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createMesh } from "../../mod.ts";
import { isMeshError } from "../../src/core/errors.ts";
import type { Mesh, MeshOptions, Server } from "../../src/mesh/options.ts";
import { http2, openHttp2, signal, within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { until } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { metricValue } from "../support/metric-value.ts";
import { type StrayFailures, watchStrayFailures } from "../support/stray-failures.ts";

const piece = new TextEncoder().encode("piece");

describe("a streamed response of an app over its socket", unless("listen"), () => {
  const cleanup = new Cleanup();
  let stray: StrayFailures;
  beforeEach(() => {
    stray = watchStrayFailures();
  });
  afterEach(async () => {
    await cleanup.run();
    stray.stop();
    assert.deepEqual(stray.seen, []);
  });

  interface Streaming {
    readonly mesh: Mesh;
    readonly server: Server;
    /** Why the source was cancelled. */
    readonly cancelled: unknown[];
    /** What the application was told of. */
    readonly told: (readonly [unknown, string | undefined])[];
    ended(outcome: string): Promise<number>;
  }

  /** Serves `/events`, which sends one piece and then as the test says. */
  async function serve(
    after: (controller: ReadableStreamDefaultController<Uint8Array>) => void,
    options: Partial<MeshOptions["server"]> = {},
  ): Promise<Streaming> {
    const told: (readonly [unknown, string | undefined])[] = [];
    const cancelled: unknown[] = [];
    const mesh = createMesh({
      service: "lake",
      server: { rateLimit: false, ...options },
      onError: (error, call) => told.push([error, call?.operation]),
    });
    const app = mesh.app();
    app.get("/events", () => {
      let pulls = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (pulls++ === 0) controller.enqueue(piece);
          else after(controller);
        },
        cancel: (reason) => void cancelled.push(reason),
      });
      return new Response(body, { headers: { "content-type": "application/json" } });
    });
    app.get("/plain", (c) => c.text("ok"));
    const server = await mesh.serve({ app, hostname: "127.0.0.1", port: 0 });
    cleanup.add(() => server.close({ force: true }));
    const ended = async (outcome: string): Promise<number> =>
      (await metricValue(mesh.metrics, "mesh_server_requests_total", { outcome })) ?? 0;
    return { mesh, server, cancelled, told, ended };
  }

  /** Asks by HTTP/1.1; `broken` says whether the response broke off before its proper end. */
  function ask(server: Server, leave = false): Promise<{ text: string; broken: boolean }> {
    return new Promise((resolve) => {
      let text = "";
      const request = get({ port: server.port, host: "127.0.0.1", path: "/events" }, (response) => {
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          if (leave) request.destroy();
        });
        response.on("error", () => {});
        response.on("close", () => resolve({ text, broken: !response.complete }));
      });
      // A response that broke off resets its connection.
      request.on("error", () => resolve({ text, broken: true }));
    });
  }

  it("is broken off by a time limit that was set, and its source is cancelled", async () => {
    const { server, cancelled, told, ended } = await serve(() => {}, { timeoutMs: 100 });
    assert.deepEqual(await within(ask(server), "the end"), { text: "piece", broken: true });
    assert.ok(isMeshError(cancelled[0], "ERR_DEADLINE_EXCEEDED"));
    assert.equal(await ended("deadline_exceeded"), 1);
    const session = openHttp2(cleanup, server.url);
    await within(
      http2(session, { ":path": "/events" }).then(
        (response) => assert.notEqual(response.text, ""),
        () => {},
      ),
      "the end over HTTP/2",
    );
    await until(async () => (await ended("deadline_exceeded")) === 2, "the end of the call");
    assert.deepEqual(told, []);
  });

  it("is told of once when its source fails midway, with its call", async () => {
    const failure = new Error("the disk is gone");
    const { server, told, ended } = await serve((controller) => controller.error(failure));
    assert.equal((await within(ask(server), "the end")).broken, true);
    await until(() => server.inFlight === 0, "the end of the request");
    assert.deepEqual(told, [[failure, "GET /events"]]);
    assert.equal(await ended("body_failed"), 1);
  });

  it("is told of once when its source fails with something that is no error", async () => {
    const { server, told, ended } = await serve((controller) => controller.error("the disk is gone"));
    assert.equal((await within(ask(server), "the end")).broken, true);
    await until(() => server.inFlight === 0, "the end of the request");
    assert.deepEqual(told, [["the disk is gone", "GET /events"]]);
    assert.equal(await ended("body_failed"), 1);
  });

  it("arrives whole when a middleware reads a clone of it, and is one call until then", async () => {
    const mesh = createMesh({ service: "lake", server: { rateLimit: false } });
    for (const type of ["text/plain", "application/octet-stream"]) {
      const app = mesh.app();
      const read: Promise<string>[] = [];
      app.use(async (c, next) => {
        await next();
        read.push(c.res.clone().text());
      });
      const feed = signal<ReadableStreamDefaultController<Uint8Array>>();
      app.get("/", () => {
        const body = new ReadableStream<Uint8Array>({ start: (controller) => feed.fire(controller) });
        return new Response(body, { headers: { "content-type": type } });
      });
      const server = await mesh.serve({ app, hostname: "127.0.0.1", port: 0 });
      cleanup.add(() => server.close({ force: true }));
      const response = fetch(server.url);
      const controller = await within(feed.promise, "the request");
      controller.enqueue(piece);
      const text = (await within(response, "the head")).text();
      assert.equal(await metricValue(mesh.metrics, "mesh_server_in_flight"), 1, type);
      controller.close();
      assert.equal(await within(text, "the body"), "piece");
      assert.deepEqual(await Promise.all(read), ["piece"]);
      await until(
        async () => (await metricValue(mesh.metrics, "mesh_server_in_flight")) === 0,
        "the end of the call",
      );
    }
  });

  it("is one call until its client leaves, holds its place, and lets go of its source", async () => {
    const { server, cancelled, told, ended } = await serve(() => {}, { maxConcurrent: 1 });
    const response = await fetch(`${server.url}/events`);
    const reader = response.body!.getReader();
    await within(reader.read(), "the first piece");
    assert.equal((await fetch(`${server.url}/plain`)).status, 503);
    await reader.cancel();
    await until(() => cancelled.length === 1, "the end of the source");
    await within(ask(server, true), "another one that leaves");
    await until(() => cancelled.length === 2, "the end of its source");
    await until(async () => (await ended("cancelled")) === 2, "the end of the calls");
    assert.equal((await fetch(`${server.url}/plain`)).status, 200);
    assert.deepEqual(told, []);
  });

  it("arrives whole, and counts as good at its end", async () => {
    let rounds = 0;
    const { server, ended } = await serve((controller) => {
      if (rounds++ < 100) controller.enqueue(piece);
      else controller.close();
    });
    assert.deepEqual(await within(ask(server), "the end"), { text: "piece".repeat(101), broken: false });
    assert.equal(await ended("ok"), 1);
  });
});
