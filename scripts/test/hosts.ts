import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { RecorderEnvironment } from "./file-recorder.ts";
import { type Finished, runProcess } from "./process.ts";
import { linesFromText, type RecordLine, resultsFromRecording, type TestResult } from "./record.ts";
import { recordingMark } from "./recording-mark.ts";
import type { TestRuntime } from "./suites.ts";
import { newestCompatibilityDate, workerd } from "./workerd.ts";
import { bundleForWorkerd, sourcePositions } from "./workerd-bundle.ts";

/** The tests that one runtime is to run. */
export interface Job {
  readonly runtime: TestRuntime;
  /** The tree under test, absolute. */
  readonly root: string;
  readonly files: readonly string[];
  /** Scratch space of this job. */
  readonly workDir: string;
  readonly filter: string;
  /** Bound of one test. */
  readonly testTimeoutMs: number;
  /** Bound of the whole process. */
  readonly timeoutMs: number;
}

/** What came of a job. */
export interface JobReport {
  readonly job: Job;
  readonly results: readonly TestResult[];
  /** What went wrong with the runtime itself, rather than with a test. */
  readonly problems: readonly string[];
  readonly seconds: number;
}

const here = import.meta.dirname;
const bin = resolve(here, "../../node_modules/.bin");

/** Runs the files of a job on the real runtime, in a process of its own, and reads its recording. */
export async function runJob(job: Job): Promise<JobReport> {
  const startedAt = performance.now();
  const report = (results: readonly TestResult[], problems: readonly string[]): JobReport => {
    return { job, results, problems, seconds: (performance.now() - startedAt) / 1000 };
  };
  mkdirSync(job.workDir, { recursive: true });
  let recording: readonly RecordLine[];
  let finished: Finished;
  try {
    ({ recording, finished } = await launch[job.runtime](job));
  } catch (error) {
    return report([], [`${job.runtime} did not start: ${error instanceof Error ? error.message : error}`]);
  }
  const results = resultsFromRecording(recording);
  return report(results, problemsOf(job, results, finished));
}

function problemsOf(
  { runtime, files, filter, timeoutMs }: Job,
  results: readonly TestResult[],
  finished: Finished,
): string[] {
  const problems: string[] = [];
  const tail = finished.output.trim().split("\n").slice(-60).join("\n");
  const failed = results.some(({ status }) => status === "failed");
  const unfinished = results.filter((result) => result.unfinished).length;
  if (finished.timedOut) problems.push(`${runtime} was stopped after ${timeoutMs / 1000} s\n${tail}`);
  else if (finished.exitCode !== 0 && !failed) {
    problems.push(
      `${runtime} ended with ${finished.exitCode ?? finished.signal} though no test failed\n${tail}`,
    );
  } else if (unfinished > 0) {
    problems.push(`${runtime} left ${unfinished} tests unfinished\n${tail}`);
  } else if (finished.exitCode === 0 && failed) {
    problems.push(`${runtime} ended with 0 though a test failed`);
  }
  if (results.length === 0) problems.push(`${runtime} ran no test\n${tail}`);
  else if (filter === "") {
    const ran = new Set(results.map(({ file }) => file));
    const silent = files.filter((file) => !ran.has(file));
    problems.push(
      ...silent.map((file) => `${runtime} ran no test of ${file}\n${outputAbout(file, finished.output)}`),
    );
  }
  return problems;
}

/** The part of a runtime's output that begins where it names the file. */
function outputAbout(file: string, output: string): string {
  const lines = output.split("\n");
  const mentions = [`${file} (uncaught error)`, `${file}:`, file];
  const first =
    mentions.map((text) => lines.findIndex((line) => line.includes(text))).find((at) => at >= 0) ?? -1;
  return first < 0 ? "" : lines.slice(first, first + 30).join("\n");
}

interface Launched {
  readonly recording: readonly RecordLine[];
  readonly finished: Finished;
}

const launch: Readonly<Record<TestRuntime, (job: Job) => Promise<Launched>>> = {
  node: async (job) => {
    const recording = join(job.workDir, "recording");
    return recordedRun(job, recording, "node", [
      "--test",
      "--test-concurrency=2",
      `--test-timeout=${job.testTimeoutMs}`,
      `--test-reporter=${pathToFileURL(join(here, "node-reporter.ts"))}`,
      `--test-reporter-destination=${recording}`,
      ...(job.filter === "" ? [] : [`--test-name-pattern=/${RegExp.escape(job.filter)}/`]),
      ...job.files,
    ]);
  },
  deno: async (job) => {
    const importMap = join(job.workDir, "import-map.json");
    writeFileSync(importMap, JSON.stringify(denoImportMap(job.root)));
    return recordedRun(job, join(job.workDir, "recording"), "deno", [
      "test",
      "--allow-all",
      "--no-check",
      "--no-prompt",
      `--import-map=${importMap}`,
      ...job.files,
    ]);
  },
  bun: async (job) =>
    recordedRun(job, join(job.workDir, "recording"), "bun", [
      "test",
      "--isolate",
      `--timeout=${job.testTimeoutMs + 1_000}`,
      "--preload",
      join(here, "bun-preload.ts"),
      ...job.files.map((file) => `./${file}`),
    ]),
  workerd: async (job) => {
    const { root, files, workDir: outDir, filter, testTimeoutMs: timeoutMs } = job;
    const compatibilityDate = await newestCompatibilityDate();
    const configs = await bundleForWorkerd({ root, files, outDir, compatibilityDate, filter, timeoutMs });
    return workerdRun(job, configs);
  },
};

async function recordedRun(job: Job, recording: string, runtime: string, args: string[]): Promise<Launched> {
  const env: RecorderEnvironment = {
    MESH_TEST_RECORDING: recording,
    MESH_TEST_ROOT: job.root,
    MESH_TEST_FILTER: job.filter,
    MESH_TEST_TIMEOUT_MS: String(job.testTimeoutMs),
  };
  const finished = await runProcess(join(bin, runtime), args, {
    cwd: job.root,
    timeoutMs: job.timeoutMs,
    env,
  });
  const text = existsSync(recording) ? readFileSync(recording, "utf8") : "";
  return { recording: linesFromText(text), finished };
}

/** One process for each file: one that does not load would keep all others from running. */
async function workerdRun(job: Job, configs: readonly string[]): Promise<Launched> {
  const deadline = performance.now() + job.timeoutMs;
  let finished: Finished = { exitCode: 0, signal: null, timedOut: false, output: "" };
  let text = "";
  for (const config of configs) {
    const timeoutMs = Math.max(deadline - performance.now(), 1);
    const takeLine = (line: string): boolean => {
      const taken = line.startsWith(recordingMark);
      if (taken) text += `${line.slice(recordingMark.length)}\n`;
      return taken;
    };
    const args = ["test", "--no-verbose", config];
    const one = await runProcess(workerd, args, { cwd: job.root, timeoutMs, takeLine });
    const output = finished.output + one.output;
    finished = one.exitCode === 0 && !one.timedOut ? { ...finished, output } : { ...one, output };
    if (one.timedOut) break;
  }
  const mapped = text.replace(/[^\n]+/g, (line) => sourcePositions(line, job.workDir));
  return {
    recording: linesFromText(mapped),
    finished: { ...finished, output: sourcePositions(finished.output, job.workDir) },
  };
}

/** The imports of the tree's own deno.json, and the recorder in place of `node:test`. */
function denoImportMap(root: string): object {
  const configFile = join(root, "deno.json");
  const own: { imports?: Record<string, string> } = existsSync(configFile)
    ? JSON.parse(readFileSync(configFile, "utf8"))
    : {};
  const imports: Record<string, string> = {};
  for (const [name, target] of Object.entries(own.imports ?? {})) {
    imports[name] = target.startsWith("./") ? pathToFileURL(join(root, target)).href : target;
  }
  imports["node:test"] = pathToFileURL(join(here, "deno-node-test.ts")).href;
  return { imports, scopes: { [`${pathToFileURL(here)}/`]: { "node:test": "node:test" } } };
}
