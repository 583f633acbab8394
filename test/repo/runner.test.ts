import assert from "node:assert/strict";
import { resolve } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { type Finished, runProcess } from "../../scripts/test/process.ts";
import { type TreeFiles, withTree } from "../support/temp-tree.ts";

const runner = resolve(import.meta.dirname, "../../scripts/test.ts");

/** Runs the runner on a tree of its own, on all four runtimes unless told otherwise. */
function runTests(files: TreeFiles, ...args: string[]): Promise<Finished> {
  return withTree(files, (root) =>
    runProcess(process.execPath, [runner, "--root", root, ...args], { cwd: root, timeoutMs: 50_000 }),
  );
}

function lastLine({ output }: Finished): string | undefined {
  return output.trimEnd().split("\n").at(-1);
}

/** A test file whose tests are declared by `body`. */
function suite(body: string): string {
  return `import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : navigator.userAgent.startsWith("Node") ? "node" : "workerd";
${body}
`;
}

describe("the test runner", () => {
  it("runs portable files on four runtimes and socket files on three, and counts every test", async () => {
    const finished = await runTests({
      "test/core/a.test.ts": suite(`
        describe("hooks", () => {
          let calls = 0;
          before(() => { calls = 10; });
          beforeEach(async () => { calls += 1; });
          after(() => { assert.equal(calls, 12); });
          it("run before the first test", () => { assert.equal(calls, 11); });
          describe("of an outer suite", () => {
            it("run for inner tests, too", async () => { await new Promise((wake) => setTimeout(wake)); assert.equal(calls, 12); });
          });
        });
        it("is skipped where a capability is missing", { skip: runtime === "workerd" && "capability: listen (workerd lacks it)" }, () => {});`),
      "test/b.socket.test.ts": suite(`it("opens a port", () => { assert.notEqual(runtime, "workerd"); });`),
      "test/interop/c.test.ts": suite(`it("calls a client", { skip: "missing tool: nothing" }, () => {});`),
      "test/repo/d.test.ts": suite(`it("reads a file", () => { assert.equal(runtime, "node"); });`),
    });
    assert.equal(lastLine(finished), "15 passed, 0 failed, 2 skipped", finished.output);
    assert.equal(finished.exitCode, 0);
    assert.match(finished.output, /skipped \(workerd 1\) capability: listen/);
  });

  it("reports failed tests, hooks, and files that do not load, on every runtime", async () => {
    const finished = await runTests({
      "test/a.test.ts": suite(`
        it("fails", () => { assert.equal(1 + 1, 3, "the sum is wrong"); });
        it("hangs", { timeout: 200 }, () => new Promise((wake) => setTimeout(wake, 1_000)));
        describe("broken", () => { before(() => { throw new Error("the hook is broken"); }); it("waits", () => {}); });
        it("passes", () => {});`),
      "test/b.test.ts": suite(`throw new Error("the file is broken");`),
    });
    assert.equal(finished.exitCode, 1);
    for (const runtime of ["node", "deno", "bun", "workerd"]) {
      for (const report of [
        "a.test.ts > fails\n.*the sum is wrong",
        "a.test.ts > hangs",
        "a.test.ts > broken.*\n.*hook is broken",
      ]) {
        assert.match(finished.output, new RegExp(`✗ ${runtime}: test/${report}`));
      }
      assert.match(
        finished.output,
        new RegExp(`✗ ${runtime}(: test/| ran no test of test/)b.test.ts[^✗]*the file is broken`),
      );
    }
    assert.match(
      lastLine(finished) ?? "",
      /^4 passed, \d\d failed, 0 skipped$|^5 passed, \d\d failed, 0 skipped$/,
    );
  });

  it("fails a test beside which an error is thrown that nobody catches", async () => {
    const finished = await runTests({
      "test/a.test.ts": suite(`
        it("throws elsewhere", async () => {
          setTimeout(() => { throw new Error("it came from elsewhere"); });
          await new Promise((wake) => setTimeout(wake, 200));
        });`),
    });
    assert.equal(finished.exitCode, 1);
    for (const runtime of ["node", "deno", "bun", "workerd"]) {
      assert.match(
        finished.output,
        new RegExp(`✗ ${runtime}(: test/a.test.ts > throws elsewhere| ended with)`),
      );
    }
    assert.match(finished.output, /it came from elsewhere/);
  });

  it("fails when a runtime runs fewer tests than the others without naming a capability", async () => {
    const finished = await runTests({
      "test/a.test.ts": suite(`
        it("runs", () => {});
        if (runtime !== "bun") it("is forgotten", () => {});
        it("is silenced", { skip: runtime === "deno" && "flaky" }, () => {});
        describe("excused", { skip: runtime === "workerd" && "capability: listen (workerd lacks it)" }, () => { it("runs elsewhere", () => {}); });
        it("is excused everywhere", { skip: "capability: none (no runtime has it)" }, () => {});`),
    });
    assert.equal(finished.exitCode, 1);
    const problems = finished.output.split("\n").filter((line) => line.startsWith("✗"));
    assert.deepEqual(problems, [
      "✗ deno skipped without naming a capability (flaky): test/a.test.ts > is silenced",
      "✗ bun did not run, and names no capability it lacks: test/a.test.ts > is forgotten",
      "✗ no runtime ran: test/a.test.ts > is excused everywhere",
    ]);
  });

  it("fails when a runtime runs nothing", async () => {
    const finished = await runTests({
      "test/a.test.ts": suite(`if (runtime === "node") it("runs", () => {});`),
    });
    assert.equal(finished.exitCode, 1);
    for (const runtime of ["deno", "bun", "workerd"])
      assert.match(finished.output, new RegExp(`✗ ${runtime} ran no test`));
  });

  it("stops a runtime that hangs or dies, and names the test it was in", async () => {
    const files = {
      "test/a.test.ts": suite(`it("goes first", () => {});\nit("spins", () => { for (;;); });`),
    };
    const hung = await runTests(files, "--runtime=bun,deno", "--timeout=5");
    assert.equal(hung.exitCode, 1);
    for (const runtime of ["bun", "deno"]) {
      assert.match(
        hung.output,
        new RegExp(`✗ ${runtime}: test/a.test.ts > spins\n.*started and never ended`),
      );
      assert.match(hung.output, new RegExp(`✗ ${runtime} was stopped after 5 s`));
    }
    const died = await runTests(
      { "test/a.test.ts": suite(`it("dies", () => process.exit(7));`) },
      "--runtime=node,bun,deno",
    );
    assert.equal(died.exitCode, 1);
    assert.match(lastLine(died) ?? "", /^0 passed, [1-9]\d* failed, 0 skipped$/);
  });

  it("fails when something keeps the process of a finished file alive", async () => {
    const files = {
      "test/a.test.ts": suite(`it("leaves a timer", () => { setTimeout(() => {}, 60_000); });`),
    };
    const finished = await runTests(files, "--runtime=node", "--timeout=5");
    assert.equal(finished.exitCode, 1);
    assert.match(finished.output, /✗ node: test\/a\.test\.ts > \(the file\)\n.*keeps the process alive/);
  });

  it("runs what --filter names: files by path, or else tests by name", async () => {
    const files = {
      "test/retry.test.ts": suite(`it("waits", () => {});\nit("gives up", () => {});`),
      "test/breaker.test.ts": suite(
        `describe("half-open", () => { it("lets a probe through", () => {}); });\nit("opens", () => {});`,
      ),
    };
    assert.equal(lastLine(await runTests(files, "--filter=retry")), "8 passed, 0 failed, 0 skipped");
    assert.equal(lastLine(await runTests(files, "--filter=half-open lets")), "4 passed, 0 failed, 0 skipped");
    const nothing = await runTests(files, "--runtime=workerd", "--filter=nothing like it");
    assert.equal(nothing.exitCode, 1);
  });

  it("refuses options that mean nothing", async () => {
    const finished = await runTests({ "test/a.test.ts": "" }, "--runtime=rhino");
    assert.equal(finished.exitCode, 2);
    assert.match(finished.output, /^Cannot run tests: --runtime rhino is none of node, deno, bun, workerd/);
  });
});
