import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compose } from "../../src/core/service.ts";
import { RateLimitError, rateLimitHeaders } from "../../src/policy/rate-limit.ts";
import { createRateLimiter, rateLimit } from "../../src/policy/rate-limiter.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { newCall, scriptedService, succeeds } from "./scenario.ts";

describe("createRateLimiter()", () => {
  it("grants each client a burst of twenty and then a hundred a minute", async () => {
    const clock = new VirtualClock();
    const limiter = createRateLimiter({ clock });
    for (let request = 0; request < 20; request++) {
      assert.equal(limiter.take("a").remaining, 19 - request);
    }
    assert.deepEqual(limiter.take("a"), {
      allowed: false,
      remaining: 0,
      resetMs: 12_000,
      retryAfterMs: 600,
      limit: 100,
      windowMs: 60_000,
    });
    assert.equal(limiter.take("b").allowed, true);
    await clock.advance(600);
    assert.equal(limiter.take("a").allowed, true);
    assert.equal(limiter.take("a").allowed, false);
  });

  it("grants a steady client exactly its rate, and a refusal costs nothing", async () => {
    const clock = new VirtualClock();
    const limiter = createRateLimiter({ clock, perMinute: 7, burst: 1 });
    let granted = 0;
    for (let second = 0; second < 600; second++) {
      if (limiter.take("a").allowed) granted++;
      if (limiter.take("a").allowed) granted++;
      await clock.advance(1_000);
    }
    // Looked at once a second, each interval of 8.57 s lasts 9 s.
    assert.equal(granted, Math.ceil(600 / 9));
  });

  it("counts what a request costs, up to a full bucket", () => {
    const limiter = createRateLimiter({ clock: new VirtualClock(), burst: 5 });
    assert.equal(limiter.take("a", 3).remaining, 2);
    assert.equal(limiter.take("a", 3).allowed, false);
    assert.equal(limiter.take("a", 2).allowed, true);
    assert.throws(() => limiter.take("a", 6), { name: "RangeError", message: /cost is 6/ });
  });

  it("forgets idle clients by itself, a few with each request, without a timer", async () => {
    const clock = new VirtualClock();
    const limiter = createRateLimiter({ clock });
    for (let client = 0; client < 1_000; client++) limiter.take(`client-${client}`);
    assert.equal(limiter.size, 1_000);
    await clock.advance(61_000);
    for (let request = 0; request < 1_100; request++) {
      await Promise.resolve();
      limiter.take("busy");
    }
    assert.equal(limiter.size, 1);
    assert.equal(clock.pending, 0);
  });

  it("keeps what an active client has used while others come and go", async () => {
    const clock = new VirtualClock();
    const limiter = createRateLimiter({ clock, perMinute: 60, burst: 10, maxClients: 200 });
    for (let turn = 0; turn < 400; turn++) {
      limiter.take(`passing-${turn}`);
      if (turn % 20 === 0) assert.equal(limiter.take("steady").allowed, true);
      await clock.advance(500);
    }
    assert.ok(limiter.size <= 200);
    for (let request = 0; request < 10; request++) limiter.take("steady");
    assert.equal(limiter.take("steady").allowed, false);
  });

  it("stays bounded under a flood of names, which neither escape the limit nor reset that of others", () => {
    const clock = new VirtualClock();
    const limiter = createRateLimiter({ clock, burst: 5, maxClients: 100 });
    for (let request = 0; request < 5; request++) limiter.take("honest");
    let granted = 0;
    for (let name = 0; name < 10_000; name++) if (limiter.take(`made-up-${name}`).allowed) granted++;
    assert.equal(limiter.size, 100);
    // 99 have an entry each, and all the others one bucket between them.
    assert.equal(granted, 99 + 5);
    assert.equal(limiter.take("honest").allowed, false);
  });

  it("makes room again once clients have become idle", async () => {
    const clock = new VirtualClock();
    const limiter = createRateLimiter({ clock, burst: 1, maxClients: 10 });
    for (let client = 0; client < 12; client++) limiter.take(`old-${client}`);
    assert.equal(limiter.size, 10);
    await clock.advance(600);
    assert.deepEqual(
      ["new-1", "new-2", "new-3"].map((client) => limiter.take(client).allowed),
      [true, true, true],
    );
    assert.ok(limiter.size <= 10);
  });

  it("refuses limits that are none", () => {
    assert.throws(() => createRateLimiter({ perMinute: 0 }), /perMinute is 0; pass a number above 0/);
    assert.throws(() => createRateLimiter({ burst: 0 }), /burst is 0; pass an integer of at least 1/);
    assert.throws(() => createRateLimiter({ maxClients: -1 }), /maxClients is -1/);
    assert.throws(() => createRateLimiter({ perMinute: Number.NaN }), /perMinute is NaN/);
  });
});

describe("rateLimit()", () => {
  it("tells clients apart by principal, then certificate", async () => {
    const limiter = createRateLimiter({ clock: new VirtualClock(), burst: 1 });
    const { run } = scriptedService(compose(rateLimit({ limiter })), succeeds);
    const from = (id: string) => {
      const call = newCall();
      call.principal = { id, kind: "token", claims: {} };
      return call;
    };
    const withCertificate = newCall();
    withCertificate.peer = {
      subject: "CN=lake",
      commonName: "lake",
      subjectAltNames: { dns: [], uri: [], ip: [], email: [] },
      spiffeId: undefined,
      fingerprint256: "ab".repeat(32),
    };
    await run(from("ann"));
    await run(from("bob"));
    await run(withCertificate);
    await run(newCall());
    assert.equal(limiter.size, 4);
    await assert.rejects(
      run(from("ann")),
      (error) => error instanceof RateLimitError && !error.decision.allowed,
    );
    await assert.rejects(run(newCall()), { code: "ERR_RATE_LIMITED", retryAfterMs: 600 });
  });

  it("takes the word of the options on who the client is", async () => {
    const layer = rateLimit({ clock: new VirtualClock(), burst: 1, client: (call) => call.operation });
    const { run } = scriptedService(layer, succeeds);
    await run(newCall({ operation: "read" }));
    await run(newCall({ operation: "write" }));
    await assert.rejects(run(newCall({ operation: "read" })), {
      message: "Cannot accept the call: the limit of 100 in 60 s is used up; try again in 600 ms",
    });
    assert.throws(() => rateLimit({ client: "ip" as never }), {
      name: "TypeError",
      message: /client is "ip"/,
    });
  });
});

describe("rateLimitHeaders()", () => {
  it("writes the fields of the draft", () => {
    const decision = {
      allowed: true,
      remaining: 50,
      resetMs: 30_000,
      retryAfterMs: 0,
      limit: 100,
      windowMs: 60_000,
    };
    assert.deepEqual(rateLimitHeaders(decision), {
      "ratelimit-policy": '"default";q=100;w=60',
      ratelimit: '"default";r=50;t=30',
    });
  });

  it("adds Retry-After to a refusal, rounded up and never 0", () => {
    const refusal = {
      allowed: false,
      remaining: 0,
      resetMs: 12_001,
      retryAfterMs: 600,
      limit: 100,
      windowMs: 60_000,
    };
    assert.deepEqual(rateLimitHeaders(refusal), {
      "ratelimit-policy": '"default";q=100;w=60',
      ratelimit: '"default";r=0;t=13',
      "retry-after": "1",
    });
    assert.equal(rateLimitHeaders({ ...refusal, retryAfterMs: 0 })["retry-after"], "1");
    assert.equal(rateLimitHeaders({ ...refusal, retryAfterMs: 2_001 })["retry-after"], "3");
  });

  it("quotes the name of the policy so that it cannot end the field or the line", () => {
    const decision = { allowed: true, remaining: 1, resetMs: 0, retryAfterMs: 0, limit: 1, windowMs: 1_000 };
    assert.equal(rateLimitHeaders(decision, 'a"b\\c').ratelimit, '"a\\"b\\\\c";r=1;t=0');
    assert.equal(rateLimitHeaders(decision, "a\r\nx: y\u{1F600}").ratelimit, '"a??x: y??";r=1;t=0');
  });

  it("writes integers that a structured field can hold, whatever the rate", () => {
    for (const perMinute of [1e-320, 1e-300, 0.001, 1, 1e15, 1e22, Number.MAX_VALUE]) {
      for (const burst of [1, 1_000_000, Number.MAX_SAFE_INTEGER]) {
        const limiter = createRateLimiter({ perMinute, burst, clock: new VirtualClock() });
        for (let request = 0; request < 3; request++) {
          const fields = rateLimitHeaders(limiter.take("a"));
          assert.match(fields["ratelimit-policy"], /^"default";q=\d{1,15};w=60$/);
          assert.match(fields.ratelimit, /^"default";r=\d{1,15};t=\d{1,15}$/);
          assert.match(fields["retry-after"] ?? "1", /^[1-9]\d{0,14}$/);
        }
      }
    }
  });
});
