/**
 * The test runner: the same suites on Node, Deno, Bun and workerd, each in a process of its own.
 *
 *     npm test
 *     npm test -- --runtime bun --filter retry
 */
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Job, type JobReport, runJob } from "./test/hosts.ts";
import { parityProblems } from "./test/parity.ts";
import { stopAll } from "./test/process.ts";
import { countsOf, failuresOf, skipsOf, tableOf } from "./test/report.ts";
import {
  findTestFiles,
  runtimes,
  runtimesOf,
  suiteKindOf,
  suiteKinds,
  type TestRuntime,
} from "./test/suites.ts";

const usage = `npm test -- [--runtime name]… [--suite name]… [--filter text] [--timeout seconds]

--runtime  ${runtimes.join(", ")}; may be given more than once or with commas
--suite    ${suiteKinds.join(", ")}; likewise
--filter   files whose path contains the text; if there are none, tests whose full name contains it
--timeout  bound of each runtime's whole run, 480 unless given
--root     the tree under test, this one unless given`;

const { values } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true },
    suite: { type: "string", multiple: true },
    filter: { type: "string", default: "" },
    timeout: { type: "string", default: "480" },
    root: { type: "string", default: resolve(import.meta.dirname, "..") },
    help: { type: "boolean" },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}

const chosenRuntimes = choice("runtime", values.runtime, runtimes);
const chosenSuites = choice("suite", values.suite, suiteKinds);
const root = resolve(values.root);
const seconds = Number(values.timeout);
if (!(seconds > 0))
  throw new RangeError(`Cannot run tests: --timeout is ${values.timeout}, give seconds above 0`);

const workDir = join(root, ".cache", `test-${process.pid}`);
mkdirSync(workDir, { recursive: true });
process.once("exit", () => {
  stopAll();
  rmSync(workDir, { recursive: true, force: true });
});
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

const jobs = jobsOf(findTestFiles(root));
if (jobs.length === 0) refuse("no test file matches");
const startedAt = performance.now();
const reports = await runAll(jobs);

const parity = parityProblems(reports);
const failures = [failuresOf(reports), ...parity.map((problem) => `✗ ${problem}`)].filter(
  (text) => text !== "",
);
if (failures.length > 0) console.log(`\n${failures.join("\n\n")}`);
const skips = skipsOf(reports);
console.log(`\n${tableOf(reports)}\n${skips && `\n${skips}\n`}`);
const counts = countsOf(reports.flatMap(({ results }) => results));
const failed = counts.failed + parity.length + reports.flatMap(({ problems }) => problems).length;
console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s in all`);
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
process.exit(failed > 0 ? 1 : 0);

function refuse(reason: string): never {
  console.error(`Cannot run tests: ${reason}; see npm test -- --help`);
  process.exit(2);
}

function choice<Name extends string>(
  option: string,
  given: string[] | undefined,
  known: readonly Name[],
): Name[] {
  const names = given?.flatMap((value) => value.split(",")) ?? [...known];
  return names.map((name) => {
    const found = known.find((each) => each === name);
    if (!found) refuse(`--${option} ${name} is none of ${known.join(", ")}`);
    return found;
  });
}

function jobsOf(allFiles: readonly string[]): Job[] {
  const named = allFiles.filter((file) => values.filter !== "" && file.includes(values.filter));
  const files = (named.length > 0 ? named : allFiles).filter((file) =>
    chosenSuites.includes(suiteKindOf(file)),
  );
  const filter = named.length > 0 ? "" : values.filter;
  const job = (runtime: TestRuntime, own: readonly string[], name: string): Job => ({
    runtime,
    root,
    files: own,
    workDir: join(workDir, name),
    filter,
    testTimeoutMs: Math.min(60_000, seconds * 1000),
    timeoutMs: seconds * 1000,
  });
  const shared = (file: string): boolean => runtimesOf[suiteKindOf(file)].length > 1;
  const each = chosenRuntimes.map((runtime) => {
    const own = files.filter((file) => shared(file) && runtimesOf[suiteKindOf(file)].includes(runtime));
    return job(runtime, own, runtime);
  });
  const nodeOnly = chosenRuntimes.includes("node") ? files.filter((file) => !shared(file)) : [];
  return [job("node", nodeOnly, "node-only"), ...each].filter((each) => each.files.length > 0);
}

/** Two at a time: the machine is expected to have two cores. */
async function runAll(all: readonly Job[]): Promise<JobReport[]> {
  const waiting = [...all.entries()];
  const done: JobReport[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, job] = next;
      const report = await runJob(job);
      done[index] = report;
      const { passed, failed } = countsOf(report.results);
      const bad = failed + report.problems.length;
      const outcome = `${passed} passed${bad > 0 ? `, ${bad} failed` : ""}`;
      console.log(`${job.runtime}: ${job.files.length} files, ${outcome}, ${report.seconds.toFixed(1)} s`);
    }
  };
  await Promise.all([worker(), worker()]);
  return done;
}
