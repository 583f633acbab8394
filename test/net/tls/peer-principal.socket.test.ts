import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { staticResolver } from "../../../src/discovery/static-resolver.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Mesh, Server } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { echoRoutes } from "../../rpc/echo.ts";
import { unless } from "../../support/capability.ts";
import { type ConnectOptions, createAuthority, type TestAuthority } from "../../support/certificates.ts";

const gateway = "spiffe://datapunk.test/gateway";

/** What the server makes of a certificate: a status of REST, and a code of gRPC. */
type Decision = readonly [rest: number, grpc: Code | undefined];

describe("a server that lets in one SPIFFE ID", unless("listen", "mtlsServer", "mtlsClient"), () => {
  const cleanup = new Cleanup();
  let authority: TestAuthority;
  let server: Server;
  before(async () => {
    authority = await createAuthority();
    const mesh: Mesh = createMesh({
      service: "lake",
      tls: await authority.issue(),
      server: { auth: { required: true, authorize: (principal) => principal?.id === gateway } },
    });
    const app = mesh.app();
    app.get("/whoami", (c) => c.text(c.get("call").principal?.id ?? ""));
    server = await mesh.serve({ app, routes: echoRoutes, hostname: "127.0.0.1", port: 0 });
    cleanup.add(() => server.close({ force: true }));
  });
  after(() => cleanup.run());

  async function decisionOn(options: ConnectOptions): Promise<Decision> {
    const client = createMesh({
      service: "client",
      tls: await authority.issue(options),
      resolver: staticResolver({ lake: [`https://localhost:${server.port}`] }),
      policies: { "*": { retry: false } },
    });
    try {
      const { status } = await client.fetch("mesh://lake/whoami");
      const rpc = createClient(EchoService, client.transport("lake", { protocol: "grpc" }));
      const error: unknown = await rpc.echo({ text: "hello" }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return [status, error === undefined ? undefined : ConnectError.from(error).code];
    } finally {
      await client.close();
    }
  }

  it("lets in the one whose certificate has it as its only URI", async () => {
    assert.deepEqual(await decisionOn({ uri: [gateway] }), [200, undefined]);
    assert.deepEqual(await decisionOn({ uri: ["spiffe://datapunk.test/other"] }), [
      403,
      Code.PermissionDenied,
    ]);
  });

  it("lets in nobody who has it as a common name, or as one of several URIs", async () => {
    for (const options of [
      { commonName: gateway },
      { commonName: gateway, uri: ["https://datapunk.test/"] },
      { commonName: gateway, uri: [gateway, "spiffe://datapunk.test/other"] },
      { commonName: "gateway", dns: [gateway, "localhost"] },
    ]) {
      const [status, code] = await decisionOn(options);
      assert.ok(status === 401 || status === 403, `${status} for ${JSON.stringify(options)}`);
      assert.ok(code === Code.Unauthenticated || code === Code.PermissionDenied, String(code));
    }
  });
});
