import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../support/virtual-clock.ts";
import { errorOf } from "./lake.ts";
import { gate, newCall, send, transportOver } from "./transport-over.ts";

describe("the places of createFetchTransport()", () => {
  it("lets no more run at once with one origin than it may, first come first served", async () => {
    const { fetch, open } = gate();
    const transport = transportOver(fetch, { maxConnectionsPerEndpoint: 2 });
    const responses = [1, 2, 3, 4].map(() => send(transport));
    const other = send(transport, newCall(), "http://other.test/");
    await settle();
    // Two for the lake, and one for the other origin.
    assert.equal(open.length, 3);
    for (const resolve of open) resolve(new Response("ok"));
    await (await other).text();
    const first = await (responses[0] as (typeof responses)[0]);
    await settle();
    assert.equal(open.length, 3, "a response whose body is unread keeps its place");
    await first.text();
    await settle();
    assert.equal(open.length, 4);
    await (await (responses[1] as (typeof responses)[0])).body?.cancel();
    await settle();
    assert.equal(open.length, 5);
  });

  it("gives a place back when the exchange fails", async () => {
    let count = 0;
    const transport = transportOver(
      () => {
        if (++count === 1) throw new TypeError("reset");
        return new Response("ok");
      },
      { maxConnectionsPerEndpoint: 1 },
    );
    await errorOf(send(transport));
    assert.equal(await (await send(transport)).text(), "ok");
  });

  it("lets a call that waits for its place leave the line", async () => {
    const { fetch, open } = gate();
    const transport = transportOver(fetch, { maxConnectionsPerEndpoint: 1 });
    const first = send(transport);
    const second = newCall();
    const waiting = errorOf(send(transport, second));
    const third = send(transport);
    const reason = new Error("enough");
    second.cancel(reason);
    assert.equal(await waiting, reason);
    open[0]?.(new Response(null, { status: 204 }));
    await first;
    await settle();
    assert.equal(open.length, 2);
    open[1]?.(new Response("third"));
    assert.equal(await (await third).text(), "third");
  });

  it("uses a signal again only when its exchange was not aborted", async () => {
    const signals: AbortSignal[] = [];
    const transport = transportOver(
      (_, init) => {
        signals.push(init.signal as AbortSignal);
        return new Response("ok");
      },
      { reusesSignals: true },
    );
    await (await send(transport)).text();
    (await send(transport)).cancel?.();
    await (await send(transport)).text();
    const [first, second, third] = signals;
    assert.equal(second, first);
    assert.equal(second?.aborted, true);
    assert.notEqual(third, second);
    assert.equal(third?.aborted, false);
  });
});
