import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import type { ClientPolicy } from "../../../src/mesh/client-policy.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup, failure } from "../../rpc/client/grpc-checks.ts";
import { serveMesh } from "../../rpc/socket-fixture.ts";
import { unless } from "../../support/capability.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { within } from "../listen/listener-fixture.ts";
import { freezingProxy } from "./freezing-proxy.ts";

describe("an RPC client whose connection drops every packet", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function openClient(protocol: "grpc" | "grpc-web" | "connect", policy: ClientPolicy) {
    const clock = new VirtualClock();
    const server = await serveMesh(cleanup);
    const proxy = await freezingProxy(cleanup, server.url);
    const mesh = createMesh({
      service: "caller",
      resolver: staticResolver({ echo: [proxy.origin] }),
      policies: { "*": { breaker: false, ...policy } },
      clock,
    });
    cleanup.add(() => mesh.close());
    const client = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));

    /** Lets virtual time pass until the promise has settled; how much it took. */
    async function took(promise: Promise<unknown>): Promise<number> {
      const start = clock.now();
      let settled = false;
      const mark = (): void => {
        settled = true;
      };
      promise.then(mark, mark);
      while (!settled && clock.now() - start < 20_000) {
        await clock.advance(10);
        // Sockets pass real bytes in real time.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return clock.now() - start;
    }
    return { client, proxy, took };
  }

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    it(`loses one attempt of an idempotent call, and no call, by ${protocol}`, async () => {
      const { client, proxy, took } = await openClient(protocol, {
        attemptTimeoutMs: 1_000,
        timeoutMs: 5_000,
      });
      assert.equal((await within(client.get({ text: "before" }), "a response")).text, "before");
      proxy.freeze();
      const call = client.get({ text: "after" });
      const ms = await took(call);
      assert.equal((await call).text, "after");
      assert.ok(ms < 2_000, `it took ${ms} ms`);
    });

    it(`loses one call that may not be repeated, and not the next, by ${protocol}`, async () => {
      const { client, proxy, took } = await openClient(protocol, { timeoutMs: 1_000, retry: false });
      assert.equal((await within(client.echo({ text: "before" }), "a response")).text, "before");
      proxy.freeze();
      const lost = failure(client.echo({ text: "lost" }));
      await took(lost);
      assert.equal((await lost).code, Code.DeadlineExceeded);
      const next = client.echo({ text: "next" });
      const ms = await took(next);
      assert.equal((await next).text, "next");
      assert.ok(ms < 1_000, `it took ${ms} ms`);
    });
  }
});
