import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TransportError } from "../../src/core/errors.ts";
import { type Outcome, outcome } from "../../src/core/outcome.ts";
import { type RetryOptions, retry } from "../../src/policy/retry.ts";
import type { RetryRule } from "../../src/policy/retry-rule.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { retryScenario as scenario } from "./retry-scenario.ts";
import { newCall, type Scripted, ScriptedError, succeeds } from "./scenario.ts";

const notFound = outcome("success", "http_404");
const internal = outcome("failure", "http_500");
const aborted = outcome("success", "aborted");
const busy = outcome("retryable", "http_503");

/** How often a call is sent whose first attempts end so, under these rules. */
async function attemptsOf(on: RetryOptions["on"], stated: Outcome, call = newCall()): Promise<number> {
  const { run, calls } = scenario(on === undefined ? {} : { on }, new ScriptedError("no", stated));
  await assert.rejects(run(call), /no/);
  return calls.length;
}

describe("the rules of retry()", () => {
  it("name statuses, hundreds of them, codes, faults and kinds", async () => {
    const reset = outcome("retryable", "transport_reset");
    const table: readonly (readonly [rule: RetryRule, yes: Outcome, no: Outcome])[] = [
      [{ status: 404 }, notFound, busy],
      [{ status: [500, 503] }, internal, notFound],
      [{ status: "5xx" }, internal, notFound],
      [{ status: ["4xx", 503] }, notFound, internal],
      [{ code: "aborted" }, aborted, busy],
      [{ fault: "reset" }, reset, busy],
      [{ kind: "failure" }, internal, busy],
      [{ kind: ["retryable", "rejected"] }, reset, aborted],
      [{ status: 500, code: "aborted" }, aborted, busy],
    ];
    for (const [rule, yes, no] of table) {
      assert.equal(await attemptsOf(rule, yes), 3, JSON.stringify(rule));
      assert.equal(await attemptsOf(rule, no), 1, JSON.stringify(rule));
    }
  });

  it("are asked in their order, and the first that holds decides", async () => {
    const rules: RetryRule[] = [{ status: 503, retry: false }, { kind: "retryable" }];
    assert.equal(await attemptsOf(rules, busy), 1);
    assert.equal(await attemptsOf(rules, outcome("retryable", "http_502")), 3);
  });

  it("look closer with a function, which sees outcome and call", async () => {
    const seen: unknown[] = [];
    const rule: RetryRule = {
      status: 404,
      when: (stated, call) => {
        seen.push([stated.status, call.service]);
        return seen.length < 2;
      },
    };
    assert.equal(await attemptsOf(rule, notFound), 2);
    assert.equal(await attemptsOf(rule, busy), 1);
    assert.deepEqual(seen, [
      ["http_404", "lake"],
      ["http_404", "lake"],
    ]);
    assert.equal(await attemptsOf({ when: () => true }, internal), 3);
  });

  it("have back-offs of their own, and one that is stated by its options", async () => {
    const on: RetryRule[] = [
      { status: 503, backoff: () => 7 },
      { status: 500, backoff: { baseMs: 1_000, factor: 3 } },
    ];
    const { run, times } = scenario(
      { on, maxAttempts: 4 },
      new ScriptedError("1", busy),
      new ScriptedError("2", internal),
      new ScriptedError("3", internal),
      succeeds,
    );
    await run();
    assert.deepEqual(times, [0, 7, 3_007, 8_007]);
  });

  it("never make a call that may have started repeat that is not idempotent", async () => {
    const call = (): ReturnType<typeof newCall> => newCall({ idempotency: "unknown" });
    assert.equal(await attemptsOf({ status: 503 }, busy, call()), 1);
    const refused = scenario({ on: { status: 503 } }, new TransportError("refused", "refused"), succeeds);
    await refused.run(call());
    assert.equal(refused.calls.length, 2);
  });

  it("let what never started be repeated once without a word, and not at all when one forbids it", async () => {
    const down = new TransportError("refused", "refused");
    const once = scenario({ on: { status: 503 } }, down);
    await assert.rejects(once.run());
    assert.deepEqual(once.times, [0, 0]);
    const named = scenario({ on: { fault: "refused" } }, down);
    await assert.rejects(named.run());
    assert.equal(named.calls.length, 3);
    const never = scenario({ on: [{ fault: "refused", retry: false }, { status: 503 }] }, down);
    await assert.rejects(never.run());
    assert.equal(never.calls.length, 1);
  });

  it("are not asked about what went well, was refused here, or was cancelled", async () => {
    const all: RetryRule = { when: () => true };
    const good = scenario({ on: all }, succeeds);
    await good.run();
    assert.equal(good.calls.length, 1);
    assert.equal(await attemptsOf(all, outcome("rejected", "breaker_open", { local: true })), 1);
    const call = newCall();
    const { run, calls } = scenario({ on: all }, () => {
      call.cancel();
      throw new ScriptedError("left");
    });
    await assert.rejects(run(call));
    assert.equal(calls.length, 1);
  });

  it("know by its head what a response under way will be", async () => {
    const underWay: Scripted = { outcome: undefined, name: "404" };
    const outcomeOf = (response: Scripted): Outcome | undefined =>
      response.name === "404" ? notFound : undefined;
    const again = scenario({ on: { status: 404 }, outcomeOf }, underWay, succeeds);
    assert.equal(await again.run(), succeeds);
    assert.equal(again.calls[0]?.outcome, notFound);
    const last = scenario({ on: { status: 500 }, outcomeOf }, underWay);
    const call = newCall();
    assert.equal(await last.run(call), underWay);
    assert.equal(call.outcome, undefined);
    last.calls[0]?.end(notFound);
    assert.equal(call.outcome, notFound);
    const without = scenario({ outcomeOf: () => assert.fail("nobody asks") }, underWay);
    assert.equal(await without.run(), underWay);
  });

  it("that throw, or respond later, hide nothing of what happened", async () => {
    const printed = await printedErrors(async () => {
      const rule: RetryRule = {
        when: () => {
          throw new Error("a mistake in a rule");
        },
      };
      assert.equal(await attemptsOf(rule, busy), 1);
      const late = { when: () => Promise.reject(new Error("late")) } as never as RetryRule;
      assert.equal(await attemptsOf(late, busy), 1);
      const backoff = () => Promise.reject(new Error("a back-off that takes its time"));
      assert.equal(await attemptsOf({ status: 503, backoff: backoff as never }, busy), 1);
      const onRetry = (): never => {
        throw new Error("a mistake in a listener");
      };
      const { run } = scenario({ onRetry }, new ScriptedError("1", busy), succeeds);
      assert.equal(await run(), succeeds);
    });
    assert.match(String(printed), /a mistake in a rule/);
    assert.match(String(printed), /the back-off returned no number/);
    assert.match(String(printed), /a mistake in a listener/);
  });

  it("are refused where they are given", () => {
    const refused: readonly (readonly [on: unknown, message: string])[] = [
      [[], "Cannot make retry(): on is an empty list; pass at least one rule, or leave it out"],
      [
        {},
        "Cannot make retry() on: it says nothing about which failures; pass status, code, fault, kind or when",
      ],
      [{ statuses: 503 }, 'Cannot make retry() on: it has no option "statuses"; did you mean "status"?'],
      [
        [{ status: 404 }, { status: 200 }],
        'Cannot make retry() on[1]: status is 200; pass statuses from 400 to 599, "4xx" or "5xx"',
      ],
      [
        { kind: "success" },
        'Cannot make retry() on: kind is "success"; pass some of failure, retryable, rejected',
      ],
      [{ code: "aborted", when: 5 }, "Cannot make retry() on: when is 5; pass a function or leave it out"],
      [{ code: "aborted", retry: 5 }, "Cannot make retry() on: retry is 5; pass true or false"],
    ];
    for (const [on, message] of refused) {
      assert.throws(() => retry({ on } as never), { name: "TypeError", message });
    }
    assert.throws(
      () => retry({ on: { code: "UNAVAILABLE" } as never }),
      /code is "UNAVAILABLE"; pass some of canceled/,
    );
    assert.throws(() => retry({ on: { fault: "rst" } as never }), /fault is "rst"; pass some of refused/);
    assert.throws(
      () => retry({ on: { code: "aborted", backoff: { base: 5 } as never } }),
      /did you mean "baseMs"/,
    );
  });
});

describe("retry({ waitForReady })", () => {
  const down = (): TransportError => new TransportError("refused", "nobody listens");

  it("repeats what never started until it starts, whatever the call does, beyond attempts and budget", async () => {
    const steps = Array.from({ length: 9 }, down);
    const { run, calls, times } = scenario(
      { waitForReady: true, maxAttempts: 1, budget: { ratio: 0, minPerSecond: 0 } },
      ...steps,
      () => succeeds,
    );
    assert.equal(await run(newCall({ idempotency: "unknown" })), succeeds);
    assert.equal(calls.length, 10);
    assert.deepEqual(times.slice(0, 4), [0, 0, 200, 600]);
  });

  it("ends with what happened when the next wait would pass the deadline", async () => {
    const { run, clock } = scenario({ waitForReady: true }, down());
    const start = clock.now();
    await assert.rejects(run(newCall({ deadline: start + 1_000 })), /nobody listens/);
    assert.ok(clock.now() - start < 1_000);
  });

  it("counts the attempts that started, and no others", async () => {
    const { run, calls } = scenario(
      { waitForReady: true, maxAttempts: 2 },
      down(),
      down(),
      new ScriptedError("1"),
      down(),
      new ScriptedError("2"),
    );
    await assert.rejects(run(), /2/);
    assert.equal(calls.length, 5);
  });
});
