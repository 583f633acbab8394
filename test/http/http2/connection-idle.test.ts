import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { endHeaders, endStream, getFields, postFields, zeros } from "./connection-fixture.ts";
import { every, timed } from "./timed-server.ts";

describe("an idle connection", () => {
  it("is closed after 300 s without a frame, and not before", async () => {
    const both = timed({ idleMs: 300_000 });
    await every(both, 10_000, 290_000);
    assert.equal(both.server.side.host.closed, 0);
    await every(both, 10_000, 80_000);
    // Twice: a request may have been on its way at the first.
    assert.deepEqual(both.server.told(), ["goaway noError", "ping 0", "goaway noError"]);
    assert.equal(both.server.side.transport.ended, true);
  });

  it("is kept while frames come", async () => {
    const both = timed({ idleMs: 300_000 });
    await every(both, 200_000, 3_600_000, () => both.server.send(frameType.ping, 0, 0, zeros(8)));
    assert.equal(both.server.side.host.closed, 0);
  });

  it("with an open stream is asked whether it lives, and kept when it does", async () => {
    const both = timed({ idleMs: 300_000 });
    both.server.headers(1, postFields, false);
    await every(both, 10_000, 3_600_000, () => {
      for (const { type, flags, payload } of both.server.sent()) {
        if (type === frameType.ping && flags === 0) both.server.send(frameType.ping, 1, 0, payload);
      }
    });
    assert.deepEqual([both.server.side.host.closed, both.server.side.host.open], [0, 1]);
  });

  it("with an open stream ends when it does not say that it lives", async () => {
    const both = timed({ idleMs: 300_000 });
    both.server.headers(1, postFields, false);
    const lived = await every(both, 10_000, 3_600_000);
    assert.ok(lived <= 420_000, `${lived} ms`);
    assert.equal(both.server.told().at(-1), "goaway cancel");
    assert.equal(both.server.side.host.open, 0);
  });
});

describe("keepalive", () => {
  const keepalive = { intervalMs: 10_000, timeoutMs: 4_000 };
  const isPing = ({ type, flags }: { type: number; flags: number }): boolean =>
    type === frameType.ping && flags === 0;

  it("asks a silent connection with an open stream as often as it is told to", async () => {
    const both = timed({ idleMs: 300_000, keepalive });
    both.server.headers(1, postFields, false);
    let pings = 0;
    await every(both, 1_000, 60_000, () => {
      for (const frame of both.server.sent().filter(isPing)) {
        pings++;
        both.server.send(frameType.ping, 1, 0, frame.payload);
      }
    });
    assert.ok(pings >= 4 && pings <= 6, `${pings} pings in a minute`);
    assert.equal(both.server.side.host.open, 1);
  });

  it("ends a connection that gives no reply in time", async () => {
    const both = timed({ idleMs: 300_000, keepalive });
    both.server.headers(1, postFields, false);
    const lived = await every(both, 1_000, 60_000);
    assert.ok(lived >= 14_000 && lived <= 17_000, `${lived} ms`);
    assert.equal(both.server.told().at(-1), "goaway cancel");
  });

  it("leaves a connection without streams to its idle time", async () => {
    const both = timed({ idleMs: 300_000, keepalive });
    await every(both, 10_000, 290_000);
    assert.deepEqual(both.server.sent().filter(isPing), []);
    await every(both, 10_000, 80_000);
    assert.equal(both.server.side.transport.ended, true);
  });
});

describe("a connection that is over", () => {
  it("has no timer left, whatever there was", async () => {
    const clock = new VirtualClock();
    let pending = 0;
    const counting = {
      now: clock.now,
      sleep: clock.sleep,
      schedule(task: () => void, ms: number): () => void {
        pending++;
        let open = true;
        const over = (): void => {
          if (open) pending--;
          open = false;
        };
        const cancel = clock.schedule(() => {
          over();
          task();
        }, ms);
        return () => {
          over();
          cancel();
        };
      },
    };
    const both = timed({ clock: counting, idleMs: 300_000 });
    both.server.headers(1, postFields, false);
    both.server.send(frameType.headers, endStream, 3, both.server.block(getFields));
    await clock.advance(10_000);
    both.server.send(frameType.continuation, endHeaders, 3);
    await clock.advance(300_000);
    both.server.side.connection.close();
    assert.ok(pending > 2, `${pending} timers`);
    both.server.side.connection.destroy(h2.cancel);
    both.server.side.connection.lost(undefined);
    assert.equal(pending, 0);
  });
});
