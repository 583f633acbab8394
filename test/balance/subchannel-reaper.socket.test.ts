import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createMesh } from "../../mod.ts";
import type { Mesh, TransportOptions } from "../../src/mesh/options.ts";
import { createDispatcher } from "../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { serve, signal, type TestServer, within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { OpenPipeline } from "../rpc/echo.ts";
import { unless } from "../support/capability.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { metricValue } from "../support/metric-value.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** As long as an endpoint may be away. */
const returnMs = 10_000;

/** A resolver of one service, at the servers that the test sets. */
class Town extends ChangingResolver {
  runAt(...servers: TestServer[]): void {
    this.set(...servers.map(({ port }) => `http://127.0.0.1:${port}`));
  }
}

describe("endpoints that leave their service", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function open() {
    const clock = new VirtualClock();
    const town = new Town("echo");
    const go = signal();
    const start = (): Promise<TestServer> => {
      const pipeline = new OpenPipeline();
      const rpc = createDispatcher({
        pipeline,
        routes: (router) =>
          router.service(EchoService, {
            echo: ({ text }) => ({ text }),
            async *expand() {
              yield { text: "first" };
              await go.promise;
              yield { text: "last" };
            },
          }),
      });
      return serve(cleanup, () => new Response("rest"), { rpc }).then((server) => ({ ...server, pipeline }));
    };
    const [a, b] = [await start(), await start()];
    const mesh: Mesh = createMesh({
      service: "caller",
      resolver: town,
      policies: { "*": { retry: false } },
      clock,
    });
    cleanup.add(() => mesh.close());
    const client = (how?: TransportOptions) => createClient(EchoService, mesh.transport("echo", how));
    const sessionsTo = (server: TestServer): Promise<number | undefined> =>
      metricValue(mesh.metrics, "mesh_rpc_sessions", { endpoint: `http://127.0.0.1:${server.port}` });
    return { clock, town, go, a, b, mesh, client, sessionsTo };
  }

  const connectionsOf = (server: TestServer): number =>
    new Set(server.pipeline.requests.map(({ connection }) => connection)).size;

  for (const how of [{}, { protocol: "grpc" }, { protocol: "connect" }] as const) {
    it(`lose their ${"protocol" in how ? how.protocol : "negotiated"} sessions when they have been away for a while`, async () => {
      const { clock, town, a, b, client, sessionsTo } = await open();
      const echo = client(how);
      town.runAt(a);
      await within(echo.echo({ text: "1" }), "a response");
      town.runAt(b);
      await within(echo.echo({ text: "2" }), "a response");
      await clock.advance(returnMs - 1);
      assert.deepEqual([await sessionsTo(a), await sessionsTo(b)], [1, 1]);
      await clock.advance(1);
      assert.deepEqual([await sessionsTo(a), await sessionsTo(b)], [undefined, 1]);
      // Who comes back later is somebody new.
      town.runAt(a);
      assert.equal((await within(echo.echo({ text: "3" }), "a response")).text, "3");
      assert.equal(connectionsOf(a), 2);
    });
  }

  it("are no longer among the breakers, which are shown as they are when scraped", async () => {
    const { clock, town, a, b, mesh, client } = await open();
    const stateOf = (server: TestServer): Promise<number | undefined> =>
      metricValue(mesh.metrics, "mesh_breaker_state", { endpoint: `http://127.0.0.1:${server.port}` });
    const rest = mesh.rest("echo");
    town.runAt(a);
    await within(client().echo({}), "a response");
    assert.equal(await stateOf(a), 0);
    await a.listener.destroy();
    for (let calls = 0; calls < 50; calls++) await within(rest.get("x"), "a response").catch(() => {});
    assert.equal(await stateOf(a), 2);
    // Nobody calls: the state changes all the same.
    await clock.advance(60_000);
    assert.equal(await stateOf(a), 1);
    town.runAt(b);
    await within(client().echo({}), "a response");
    await within(rest.get("x").text(), "a response");
    assert.deepEqual([await stateOf(a), await stateOf(b)], [undefined, 0]);
  });

  it("find their session again when they come back soon", async () => {
    const { clock, town, a, b, client } = await open();
    const echo = client();
    for (let turn = 0; turn < 4; turn++) {
      town.runAt(turn % 2 === 0 ? a : b);
      await within(echo.echo({ text: "hi" }), "a response");
      await clock.advance(returnMs - 1);
    }
    assert.deepEqual([connectionsOf(a), connectionsOf(b)], [1, 1]);
    town.forget();
    await assert.rejects(echo.echo({}));
    town.runAt(a);
    await within(echo.echo({}), "a response");
    assert.equal(connectionsOf(a), 1);
  });

  for (const how of [
    { protocol: "grpc", httpVersion: "2", awayMs: 5 * returnMs },
    // Sessions that nobody pings by the same clock would be taken for dead after 30 s.
    { protocol: "connect", httpVersion: "2", awayMs: 2 * returnMs },
    { protocol: "connect", httpVersion: "1.1", awayMs: 5 * returnMs },
  ] as const) {
    const { awayMs, ...transport } = how;
    it(`finish their calls (${how.protocol}, HTTP/${how.httpVersion})`, async () => {
      const { clock, town, go, a, b, client, sessionsTo } = await open();
      town.runAt(a);
      const echo = client(transport);
      const messages = echo.expand({}, { timeoutMs: 0 })[Symbol.asyncIterator]();
      assert.equal((await within(messages.next(), "a message")).value?.text, "first");
      town.runAt(b);
      await within(echo.echo({}), "a response");
      await clock.advance(awayMs);
      go.fire();
      assert.equal((await within(messages.next(), "a message")).value?.text, "last");
      assert.equal((await within(messages.next(), "the end")).done, true);
      await clock.advance(returnMs);
      assert.equal(await sessionsTo(a), undefined);
    });
  }

  it("are noticed without a call", async () => {
    const { clock, town, a, b, mesh, client, sessionsTo } = await open();
    town.runAt(a);
    await within(client().echo({}), "a response");
    town.runAt(b);
    await clock.advance(returnMs);
    assert.equal(await sessionsTo(a), undefined);
    assert.equal(town.watchers, 1);
    await mesh.close();
    assert.equal(town.watchers, 0);
    assert.deepEqual(town.counts, { resolved: 1, ended: 1, closed: 1 });
  });
});
