import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import type { TlsIdentity, TlsOptions } from "../../src/core/identity.ts";
import { createSource } from "../../src/core/source.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Runtime } from "../../src/net/port.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { echoLake } from "./echo-lake.ts";

const named = (name: string): TlsIdentity => ({ cert: name, key: name, ca: name });

/** A runtime that notes by which identity each thing is opened, and opens it without. */
function notingRuntime() {
  const opened: string[] = [];
  const serve = echoLake();
  const web = createWebRuntime({ fetch: (url, init) => serve(new Request(url, init)) });
  const noted = (what: string, tls: TlsOptions | undefined): void => void opened.push(`${what} ${tls?.cert}`);
  const runtime: Runtime = {
    ...web,
    capabilities: { ...web.capabilities, listen: true },
    openHttpTransport(options) {
      noted("http", options.tls);
      return web.openHttpTransport({ ...options, tls: undefined });
    },
    openRpcTransport(options) {
      noted(`rpc ${options.origin}`, options.tls);
      return web.openRpcTransport({ ...options, tls: undefined });
    },
    async listen({ tls }) {
      noted("listener", tls);
      const ports = { rest: 1, grpc: 1 };
      return { ports, inFlight: 0, drain: async () => {}, destroy: async () => {} };
    },
  };
  return { runtime, opened };
}

describe("an identity that changes while the mesh runs", () => {
  it("is read by what opens later; what is open keeps its own", async () => {
    const { runtime, opened } = notingRuntime();
    const tls = createSource(named("old"));
    const resolver = new ChangingResolver().set("https://a.test");
    const mesh = createMesh({ service: "gateway", tls, resolver, runtime });
    const echo = createClient(EchoService, mesh.transport("lake"));
    await echo.echo({ text: "1" });
    await mesh.serve({ port: 0, app: mesh.app() });
    tls.set(named("new"));
    await echo.echo({ text: "2" });
    resolver.set("https://b.test");
    await echo.echo({ text: "3" });
    await mesh.serve({ port: 0, app: mesh.app() });
    assert.deepEqual(opened, [
      "http old",
      "rpc https://a.test old",
      "listener old",
      "rpc https://b.test new",
      "listener new",
    ]);
    await mesh.close();
  });
});
