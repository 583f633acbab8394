import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Cleanup } from "../client/grpc-checks.ts";
import { echoRoutes } from "../echo.ts";

describe("Watch of gRPC health over a socket", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    it(`tells what changes for one service, and of no other, by ${protocol}`, async () => {
      const server = await createMesh({ service: "echo" }).serve({
        routes: echoRoutes,
        hostname: "127.0.0.1",
        port: 0,
      });
      cleanup.add(() => server.close({ force: true }));
      const mesh = createMesh({ service: "caller", resolver: staticResolver({ echo: [server.url] }) });
      cleanup.add(() => mesh.close());
      const transport = mesh.transport("echo", { protocol, httpVersion: "2" });
      const service = EchoService.typeName;
      const watch = (of: { service?: string }): (() => Promise<Status | undefined>) => {
        const leaving = new AbortController();
        cleanup.add(() => leaving.abort());
        const statuses = createClient(Health, transport)
          .watch(of, { signal: leaving.signal })
          [Symbol.asyncIterator]();
        return async () => (await within(statuses.next(), "a status")).value?.status;
      };
      const [one, whole] = [watch({ service }), watch({})];
      assert.deepEqual([await one(), await whole()], [Status.SERVING, Status.SERVING]);
      server.setServing("other.Service", false);
      server.setServing(service, false);
      assert.equal(await one(), Status.NOT_SERVING);
      server.setServing(service, true);
      assert.equal(await one(), Status.SERVING);
      server.setReady(false);
      // Whoever watches the whole was told nothing in between.
      assert.deepEqual([await one(), await whole()], [Status.NOT_SERVING, Status.NOT_SERVING]);
    });
  }
});
