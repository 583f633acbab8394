import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh } from "../../../mod.ts";
import { Health } from "../../../src/gen/grpc/health/v1/health_pb.ts";
import type { ServedHealthOptions, Server } from "../../../src/mesh/options.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Cleanup, failure } from "../client/grpc-checks.ts";
import { echoRoutes } from "../echo.ts";
import { closeAll, leavesOf, until } from "../socket-fixture.ts";

for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
  describe(`The number of watchers of gRPC health, by ${protocol}`, unless("listen", "grpcClient"), () => {
    const cleanup = new Cleanup();
    afterEach(async () => {
      // A client lets its calls finish, and a watch has no end.
      await cleanup.run();
      await closeAll();
    });

    async function serve(health: ServedHealthOptions): Promise<Server> {
      const mesh = createMesh({ service: "echo" });
      const server = await mesh.serve({ routes: echoRoutes, hostname: "127.0.0.1", port: 0, health });
      cleanup.add(() => server.close({ force: true }));
      return server;
    }

    /** One connection, and ways to watch over it and to leave. */
    function connect(server: Server) {
      const client = createClient(Health, leavesOf(protocol)(server.url).transport);
      return {
        client,
        async watch(): Promise<() => void> {
          const leaving = new AbortController();
          cleanup.add(() => leaving.abort());
          const statuses = client.watch({}, { signal: leaving.signal })[Symbol.asyncIterator]();
          await within(statuses.next(), "a status");
          return () => leaving.abort();
        },
      };
    }

    it("is bounded for each connection, and those that left do not count", async () => {
      const server = await serve({ maxWatchesPerConnection: 2 });
      const one = connect(server);
      const other = connect(server);
      const leave = await one.watch();
      await one.watch();
      const error = await failure(one.watch());
      assert.equal(error.code, Code.ResourceExhausted);
      assert.match(error.rawMessage, /^This connection watches health 2 times already/);
      await other.watch();
      assert.equal((await one.client.check({})).status, 1);
      leave();
      await until(() => server.inFlight === 2, "the end of the watch");
      await one.watch();
      assert.equal((await failure(one.watch())).code, Code.ResourceExhausted);
    });

    it("is bounded in all, and lost connections do not count", async () => {
      const server = await serve({ maxWatches: 2 });
      await connect(server).watch();
      const leave = await connect(server).watch();
      const error = await failure(connect(server).watch());
      assert.equal(error.code, Code.ResourceExhausted);
      assert.match(error.rawMessage, /^Health is watched 2 times already/);
      leave();
      await until(() => server.inFlight === 1, "the end of the watch");
      await connect(server).watch();
    });

    it("leaves room for one hundred on one connection unless told otherwise", async () => {
      const server = await serve({});
      const { watch } = connect(server);
      for (let count = 0; count < 100; count++) await watch();
      assert.equal((await failure(watch())).code, Code.ResourceExhausted);
    });
  });
}

describe("The bounds of watchers", () => {
  it("must make sense", async () => {
    const mesh = createMesh({ service: "echo" });
    for (const health of [{ maxWatches: 0 }, { maxWatchesPerConnection: 1.5 }]) {
      assert.throws(() => mesh.handler({ routes: echoRoutes, health }), RangeError);
    }
  });
});
