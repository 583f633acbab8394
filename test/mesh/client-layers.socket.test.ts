import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { type ClientLayer, createMesh, staticResolver, withHeaders } from "../../mod.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { serveMesh } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";

describe("layers of a program's own around RPCs over sockets", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    it(`add a header to each request, by ${protocol}`, async () => {
      const seen: (string | null)[] = [];
      const server = await serveMesh(cleanup, (router) =>
        router.service(EchoService, {
          echo: ({ text }, { requestHeader }) => {
            seen.push(requestHeader.get("x-tenant"));
            return { text };
          },
          async *expand(_, { requestHeader }) {
            seen.push(requestHeader.get("x-tenant"));
            yield {};
          },
        }),
      );
      const around: string[] = [];
      const layer: ClientLayer = (next) => (call, request) => {
        call.onEnd(({ status }) => around.push(`${call.protocol} ${call.endpoint?.origin} ${status}`));
        return next(call, withHeaders(request, { "x-tenant": "blue" }));
      };
      const origin = `http://127.0.0.1:${server.port}`;
      const mesh = createMesh({
        service: "caller",
        resolver: staticResolver({ echo: [origin] }),
        layers: { client: { attempt: [layer] } },
      });
      cleanup.add(() => mesh.close());
      const echo = createClient(EchoService, mesh.transport("echo", { protocol }));
      await within(echo.echo({ text: "hi" }), "a response");
      for await (const _ of echo.expand({}));
      assert.deepEqual(seen, ["blue", "blue"]);
      assert.deepEqual(around, [`${protocol} ${origin} ok`, `${protocol} ${origin} ok`]);
      const connections = mesh.endpoints()[0]?.connections;
      assert.equal(connections?.sessions, protocol === "grpc" ? 1 : connections?.sessions);
    });
  }
});
