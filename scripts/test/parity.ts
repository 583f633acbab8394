import type { JobReport } from "./hosts.ts";
import { type TestResult, titleOf } from "./record.ts";
import { runtimes, runtimesOf, type SuiteKind, suiteKindOf, type TestRuntime } from "./suites.ts";

const namedCapability = /^capability: \w/;

/**
 * What the runtimes owe each other: each runs every test of the suites it takes part in, or names the
 * capability it lacks. Returns one sentence for each test that is missing.
 */
export function parityProblems(reports: readonly JobReport[]): string[] {
  const byRuntime = new Map<TestRuntime, TestResult[]>();
  for (const { job, results } of reports) {
    byRuntime.set(job.runtime, [...(byRuntime.get(job.runtime) ?? []), ...results]);
  }
  const all = [...byRuntime.values()].flat();
  const problems: string[] = [];
  for (const [kind, takers] of Object.entries(runtimesOf) as [SuiteKind, TestRuntime[]][]) {
    const present = takers.filter((runtime) => byRuntime.has(runtime));
    const ofKind = all.filter(({ file }) => suiteKindOf(file) === kind);
    const expected = new Map(
      ofKind.filter((result) => !isSuite(result, ofKind)).map((result) => [titleOf(result), result]),
    );
    const ran = new Set<string>();
    for (const runtime of present) {
      const own = (byRuntime.get(runtime) ?? []).filter(({ file }) => suiteKindOf(file) === kind);
      for (const result of own) if (result.status !== "skipped") ran.add(titleOf(result));
      problems.push(...missingTests(runtime, own, expected));
    }
    if (runtimes.every((runtime) => byRuntime.has(runtime))) {
      problems.push(...testsNobodyRan(kind, expected, ran));
    }
  }
  return problems;
}

function missingTests(runtime: TestRuntime, own: TestResult[], expected: Map<string, TestResult>): string[] {
  const titles = new Set(own.map(titleOf));
  // A hook that fails is a failure of its own, no test that the others lack.
  const absent = [...expected].filter(([title, { status }]) => status !== "failed" && !titles.has(title));
  const unnamed = own.filter(({ file, status, message = "" }) => {
    return status === "skipped" && !isExplained(suiteKindOf(file), message);
  });
  return [
    ...absent
      .filter(
        ([, result]) => !own.some((skipped) => skipped.status === "skipped" && contains(skipped, result)),
      )
      .map(([title]) => `${runtime} did not run, and names no capability it lacks: ${title}`),
    ...unnamed.map(
      (result) => `${runtime} skipped without naming a capability (${result.message}): ${titleOf(result)}`,
    ),
  ];
}

/** Tests of outside clients may also lack the client. */
function isExplained(kind: SuiteKind, reason: string): boolean {
  return namedCapability.test(reason) || (kind === "interop" && /^missing tool: \w/.test(reason));
}

/** A suite shows up itself only where it is skipped as a whole; elsewhere its tests do. */
function isSuite(result: TestResult, all: readonly TestResult[]): boolean {
  return (
    result.status === "skipped" &&
    all.some((other) => other.path.length > result.path.length && contains(result, other))
  );
}

function contains(suite: TestResult, test: TestResult): boolean {
  return suite.file === test.file && suite.path.every((name, index) => test.path[index] === name);
}

function testsNobodyRan(
  kind: SuiteKind,
  expected: Map<string, TestResult>,
  ran: ReadonlySet<string>,
): string[] {
  // What an outside tool or a registry is needed for may be skipped everywhere.
  if (kind === "interop" || kind === "repo") return [];
  return [...expected.keys()].filter((title) => !ran.has(title)).map((title) => `no runtime ran: ${title}`);
}
