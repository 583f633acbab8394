import assert from "node:assert/strict";
import { createClient } from "@connectrpc/connect";
import type { StaticEndpoints } from "../../../mod.ts";
import { createMesh, staticResolver } from "../../../mod.ts";
import { isTransportError, type TransportError } from "../../../src/core/errors.ts";
import type { TlsOptions } from "../../../src/core/identity.ts";
import type { ClientPolicy } from "../../../src/mesh/client-policy.ts";
import type { Mesh } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import type { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { within } from "../listen/listener-fixture.ts";

/** The ways by which a mesh calls: what each of them says is the same. */
export const ways: Readonly<Record<string, (mesh: Mesh) => Promise<string>>> = {
  "mesh.rest": (mesh) => mesh.rest("lake").post("x", { json: 1 }).text(),
  "mesh.fetch": async (mesh) => (await mesh.fetch("mesh://lake/x")).text(),
  gRPC: (mesh) => echo(mesh, { protocol: "grpc" }),
  "Connect over HTTP/2": (mesh) => echo(mesh, { protocol: "connect", httpVersion: "2" }),
  "Connect over HTTP/1.1": (mesh) => echo(mesh, { protocol: "connect", httpVersion: "1.1" }),
};

async function echo(mesh: Mesh, options: Parameters<Mesh["transport"]>[1]): Promise<string> {
  const client = createClient(EchoService, mesh.transport("lake", options));
  return (await client.echo({ text: "done" })).text;
}

/** A service that responds to all of them, and how often it was reached. */
export async function serveLake(
  cleanup: Cleanup,
  tls: TlsOptions | undefined,
  options: Omit<Parameters<Mesh["serve"]>[0], "app" | "routes"> = {},
  onEvent?: (event: { readonly type: string }) => void,
): Promise<{ readonly port: number; readonly reached: { count: number } }> {
  const reached = { count: 0 };
  const mesh = createMesh({
    service: "lake",
    server: { rateLimit: false },
    ...(tls && { tls }),
    ...(onEvent && { onEvent }),
  });
  const app = mesh.app().all("/x", (c) => {
    reached.count++;
    return c.text("done");
  });
  const server = await mesh.serve({
    app,
    routes: (router) =>
      router.service(EchoService, {
        echo: ({ text }) => {
          reached.count++;
          return { text };
        },
      }),
    hostname: "127.0.0.1",
    port: 0,
    ...options,
  });
  cleanup.add(() => server.close({ force: true }));
  return { port: server.port, reached };
}

/** A mesh that calls the service there. */
export function caller(
  cleanup: Cleanup,
  origin: string | StaticEndpoints,
  tls: TlsOptions | undefined,
  policy: ClientPolicy = { retry: false },
  onEvent?: (event: { readonly type: string }) => void,
): Mesh {
  const mesh = createMesh({
    service: "gateway",
    resolver: staticResolver({ lake: typeof origin === "string" ? [origin] : origin }),
    policies: { lake: { breaker: false, ...policy } },
    ...(tls && { tls }),
    ...(onEvent && { onEvent }),
  });
  cleanup.add(() => mesh.close());
  return mesh;
}

/** The fault of the connection that a call failed with. */
export async function faultOf(call: Promise<unknown>): Promise<TransportError> {
  let at: unknown = await within(
    call.then(
      () => assert.fail("the call should have failed"),
      (error: unknown) => error,
    ),
    "the end of the call",
  );
  while (at instanceof Error && !isTransportError(at)) at = at.cause;
  assert.ok(isTransportError(at), String(at));
  return at;
}
