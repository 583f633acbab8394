import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { retryBudget } from "../../src/policy/retry-budget.ts";

describe("retryBudget()", () => {
  it("allows 20 % of the calls plus 10 a second over 10 s", () => {
    const budget = retryBudget();
    assert.equal(budget.balance(0), 100);
    for (let call = 0; call < 50; call++) budget.deposit(0);
    assert.equal(budget.balance(0), 110);
    let granted = 0;
    while (budget.withdraw(0)) granted++;
    assert.equal(granted, 110);
  });

  it("keeps retries at a share of the load when everything fails", () => {
    const budget = retryBudget({ minPerSecond: 0 });
    let granted = 0;
    for (let call = 0; call < 1000; call++) {
      budget.deposit(call);
      for (let attempt = 0; attempt < 2; attempt++) if (budget.withdraw(call)) granted++;
    }
    assert.equal(granted, 200);
  });

  it("forgets calls and retries when they leave the window", () => {
    const budget = retryBudget({ minPerSecond: 0 });
    for (let call = 0; call < 10; call++) budget.deposit(500);
    assert.equal(budget.withdraw(600), true);
    assert.equal(budget.withdraw(600), true);
    assert.equal(budget.withdraw(600), false);
    for (let call = 0; call < 5; call++) budget.deposit(5_000);
    assert.equal(budget.withdraw(9_999), true);
    assert.equal(budget.balance(9_999), 0);
    // The first slot has gone, with its ten calls and its two retries.
    assert.equal(budget.balance(10_500), 0);
    assert.equal(budget.balance(60_000), 0);
    for (let call = 0; call < 5; call++) budget.deposit(60_000);
    assert.equal(budget.balance(60_000), 1);
  });

  it("is right after a pause of any length", () => {
    const budget = retryBudget();
    while (budget.withdraw(1_000));
    assert.equal(budget.balance(1_000), 0);
    assert.equal(budget.balance(1_000_000), 100);
  });

  it("refuses shares and windows that make no sense", () => {
    assert.throws(() => retryBudget({ ratio: -0.2 }), { name: "RangeError", message: /ratio is -0.2/ });
    assert.throws(() => retryBudget({ windowMs: 0 }), { name: "RangeError", message: /windowMs is 0/ });
    assert.throws(() => retryBudget({ minPerSecond: Number.NaN }), { name: "RangeError", message: /NaN/ });
  });
});
