import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { Cleanup, failure, faultOf } from "../../rpc/client/grpc-checks.ts";
import { open, serve } from "../../rpc/client/grpc-fixture.ts";
import { until } from "../../rpc/socket-fixture.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { freezingProxy } from "./freezing-proxy.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A client whose connection has frozen after a first call, and whose second call has timed out on it. */
async function lostAfter(timeoutMs: number) {
  const clock = new VirtualClock();
  const { origin } = await serve(cleanup);
  const proxy = await freezingProxy(cleanup, origin);
  const { client, transport } = open(cleanup, proxy.origin, { clock, pingTimeoutMs: 5_000 });
  assert.equal((await client.echo({ text: "before" })).text, "before");
  proxy.freeze();
  const lost = failure(client.echo({ text: "lost" }, { timeoutMs }));
  await until(() => transport.state().streams === 1);
  await clock.advance(timeoutMs);
  assert.equal((await lost).code, Code.DeadlineExceeded);
  return { clock, proxy, client, transport };
}

describe("a gRPC connection on which packets no longer pass", () => {
  it("takes no new calls once one has timed out on it unheard, so that the next gets another at once", async () => {
    const { clock, proxy, client, transport } = await lostAfter(1_000);
    const next = client.echo({ text: "after" }, { timeoutMs: 1_000 });
    await clock.advance(250);
    assert.equal((await next).text, "after");
    assert.equal(proxy.connections, 2);
    await clock.advance(5_000);
    assert.equal(transport.state().sessions, 1);
    // So long has what was written to the dead one to go out.
    await clock.advance(2_000);
    assert.equal(clock.pending, 0);
  });

  it("is told from a slow server by a ping, which costs no other connection", async () => {
    const clock = new VirtualClock();
    const slow = { get: () => new Promise<never>(() => {}) };
    const { origin } = await serve(cleanup, { service: slow });
    const proxy = await freezingProxy(cleanup, origin);
    const { client, transport } = open(cleanup, proxy.origin, { clock, pingTimeoutMs: 5_000 });
    await client.echo({ text: "before" });
    for (let turn = 0; turn < 3; turn++) {
      const late = failure(client.get({ text: "late" }, { timeoutMs: 1_000 }));
      await until(() => transport.state().streams === 1);
      await clock.advance(1_000);
      assert.equal((await late).code, Code.DeadlineExceeded);
      assert.equal((await client.echo({ text: "next" })).text, "next");
    }
    assert.equal(proxy.connections, 1);
    assert.equal(clock.pending, 0);
  });

  it("costs a call its deadline; the connection must then prove to be alive, and the next call gets another", async () => {
    const { clock, proxy, client, transport } = await lostAfter(6_000);
    const next = client.echo({ text: "after" }, { timeoutMs: 10_000 });
    await clock.advance(5_000);
    assert.equal((await next).text, "after");
    assert.equal(proxy.connections, 2);
    assert.equal(transport.state().sessions, 1);
  });

  it("is not doubted for one slow call when others are responded to on it", async () => {
    const clock = new VirtualClock();
    const slow = {
      chat: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
    };
    const { origin } = await serve(cleanup, { service: slow });
    const proxy = await freezingProxy(cleanup, origin);
    const { client, transport } = open(cleanup, proxy.origin, { clock, pingTimeoutMs: 5_000 });
    async function* nothing(): AsyncGenerator<{ text: string }> {}
    const waiting = failure(client.chat(nothing(), { timeoutMs: 6_000 })[Symbol.asyncIterator]().next());
    await until(() => transport.state().streams === 1);
    await clock.advance(5_000);
    await client.echo({ text: "meanwhile" });
    await clock.advance(1_000);
    assert.equal((await waiting).code, Code.DeadlineExceeded);
    // A ping would have its timeout scheduled.
    assert.equal(clock.pending, 0);
    assert.equal(proxy.connections, 1);
  });

  it("is closed by keepalive while a call waits on it, and the next call gets another", async () => {
    const clock = new VirtualClock();
    const { origin } = await serve(cleanup);
    const proxy = await freezingProxy(cleanup, origin);
    const keepalive = { intervalMs: 10_000, timeoutMs: 5_000 };
    const { client, transport } = open(cleanup, proxy.origin, { clock, keepalive });
    await client.echo({ text: "before" });
    proxy.freeze();
    const lost = failure(client.echo({ text: "lost" }));
    await until(() => transport.state().streams === 1);
    await clock.advance(10_000);
    await clock.advance(10_000);
    assert.equal((await lost).code, Code.Unavailable);
    assert.equal(faultOf(await lost), "reset");
    assert.equal((await client.echo({ text: "after" })).text, "after");
    assert.equal(proxy.connections, 2);
  });
});
