import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createMesh } from "@datapunk/mesh";
import type { Server } from "../../src/mesh/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { bin, output } from "./support/tools.ts";

const echo = EchoService.typeName;

/** Other people's clients, which have no schema of ours: they ask the server. */
describe("a server with reflection, asked without a schema", () => {
  let server: Server;
  before(async () => {
    const mesh = createMesh({ service: "echo", server: { rateLimit: false } });
    const options = { hostname: "127.0.0.1", port: 0, routes: echoRoutes, reflection: true };
    server = await mesh.serve(options);
  });
  after(() => server.close({ force: true }));

  const curl = (...args: string[]): Promise<string> =>
    output(bin("buf"), ["curl", "--http2-prior-knowledge", ...args]);

  for (const version of ["grpc-v1", "grpc-v1alpha"]) {
    const reflect = ["--reflect", "--reflect-protocol", version];

    it(`lists its services and methods by ${version}`, async () => {
      assert.deepEqual((await curl(...reflect, "--list-services", server.url)).trim().split("\n"), [
        echo,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
      ]);
      const methods = (await curl(...reflect, "--list-methods", server.url)).trim().split("\n");
      for (const { name } of EchoService.methods) assert.ok(methods.includes(`${echo}/${name}`), name);
    });

    for (const protocol of ["grpc", "grpcweb", "connect"]) {
      it(`is called over ${protocol}, with what ${version} says`, async () => {
        const call = [...reflect, "--protocol", protocol, "--data"];
        const response = await curl(...call, '{"text":"hi"}', `${server.url}/${echo}/Echo`);
        assert.deepEqual(JSON.parse(response), { text: "hi" });
        const health = await curl(...call, "{}", `${server.url}/grpc.health.v1.Health/Check`);
        assert.deepEqual(JSON.parse(health), { status: "SERVING" });
      });
    }
  }
});
