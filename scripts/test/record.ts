/** What became of one test. */
export interface TestResult {
  /** Path of the test file, relative to the root of the tree. */
  readonly file: string;
  /** Names of the suites around the test, outermost first, and then its own. */
  readonly path: readonly string[];
  readonly status: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** The whole error of a failure, the reason of a skip. */
  readonly message?: string;
  /** The runtime never said how it ended. */
  readonly unfinished?: true;
}

/**
 * One line of a recording. Every runtime writes the same lines, one as soon as it is known, so that a
 * process that hangs or dies still tells which test it was in.
 */
export type RecordLine =
  | {
      readonly event: "declared";
      readonly id: string;
      readonly file: string;
      readonly path: readonly string[];
    }
  | { readonly event: "started"; readonly id: string }
  | {
      readonly event: "ended";
      readonly id: string;
      readonly status: TestResult["status"];
      readonly ms: number;
      readonly message?: string;
    }
  | {
      readonly event: "fault";
      readonly file: string;
      readonly path: readonly string[];
      readonly message: string;
    };

interface Entry {
  readonly file: string;
  readonly path: readonly string[];
  started: boolean;
  ended?: Extract<RecordLine, { event: "ended" }>;
}

/** Reads a recording. A test that was declared and never ended is a failure. */
export function resultsFromRecording(lines: Iterable<RecordLine>): TestResult[] {
  const entries = new Map<string, Entry>();
  const faults: TestResult[] = [];
  for (const line of lines) {
    if (line.event === "fault") {
      const { file, path, message } = line;
      faults.push({ file, path, status: "failed", ms: 0, message });
    } else if (line.event === "declared") {
      entries.set(line.id, { file: line.file, path: line.path, started: false });
    } else {
      const entry = entries.get(line.id);
      if (!entry)
        throw new Error(`Cannot read the recording: test ${line.id} ${line.event} but was never declared`);
      if (line.event === "started") entry.started = true;
      else entry.ended = line;
    }
  }
  return [...[...entries.values()].map(resultFromEntry), ...faults];
}

function resultFromEntry({ file, path, started, ended }: Entry): TestResult {
  if (!ended) {
    const message = started
      ? "The test started and never ended: the process hung or died in it."
      : "The test never started: a hook failed before it, or the process died.";
    return { file, path, status: "failed", ms: 0, message, unfinished: true };
  }
  const { status, ms, message } = ended;
  return { file, path, status, ms, ...(message === undefined ? {} : { message }) };
}

/** Parses a recording, one JSON document a line; a last line cut short by a crash is left out. */
export function linesFromText(text: string): RecordLine[] {
  const lines = text.split("\n");
  lines.pop();
  return lines.filter((line) => line !== "").map((line): RecordLine => JSON.parse(line));
}

/** How a test is named in reports. */
export function titleOf(result: Pick<TestResult, "file" | "path">): string {
  return [result.file, ...result.path].join(" > ");
}
