import { relative } from "node:path";
import process from "node:process";
import type { TestEvent } from "node:test/reporters";
import type { RecordLine } from "./record.ts";
import { describeError } from "./recorder.ts";

/** The test file that runs; the `file` of an event may be a helper that declares tests for it. */
interface HasEntry {
  readonly entryFile?: string;
}

interface FileState {
  /** Names of the suites around the current test, by nesting. */
  readonly names: string[];
  output: string;
  count: number;
}

/** Reporter for `node --test`: the recording of its tests. */
export default async function* nodeReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Map<string, FileState>();
  for await (const { type, data } of events) {
    if (data === undefined) continue;
    if (type === "test:interrupted") {
      for (const { file = "", name } of data.tests) yield* interrupted(relativeToRoot(file), name);
      continue;
    }
    const { entryFile } = data as HasEntry;
    const file = relativeToRoot(entryFile ?? ("file" in data ? (data.file ?? "") : ""));
    const state = files.get(file) ?? { names: [], output: "", count: 0 };
    files.set(file, state);
    if (type === "test:stdout" || type === "test:stderr") {
      state.output = (state.output + data.message).slice(-20_000);
    } else if (type === "test:start" && entryFile) {
      state.names[data.nesting] = data.name;
    } else if (type === "test:pass" || type === "test:fail") {
      yield* entryFile ? ofTest(file, state, type, data) : ofFile(file, state, type, data);
    }
  }
}

type Passed = Extract<TestEvent, { type: "test:pass" }>["data"];
type Failed = Extract<TestEvent, { type: "test:fail" }>["data"];

/** The event of a whole file: it passes when it declares no test, it fails when it could not run to its end. */
function* ofFile(
  file: string,
  { output }: FileState,
  type: string,
  data: Passed | Failed,
): Generator<string> {
  if (type !== "test:fail") return;
  yield line({ event: "fault", file, path: ["(the file)"], message: `${errorOf(data)}\n${output}`.trim() });
}

function* ofTest(file: string, state: FileState, type: string, data: Passed | Failed): Generator<string> {
  const path = [...state.names.slice(0, data.nesting), data.name];
  const skip = skipReason(data);
  const failed = type === "test:fail";
  if (data.details.type === "suite" && skip === undefined) {
    // A suite fails with its tests, which were reported already, or by a hook of its own.
    const kind = (data.details as { error?: { failureType?: string } }).error?.failureType;
    if (failed && kind !== "subtestsFailed")
      yield line({ event: "fault", file, path, message: errorOf(data) });
    return;
  }
  const id = `${file}-${++state.count}`;
  const ms = data.details.duration_ms;
  yield line({ event: "declared", id, file, path });
  if (failed) yield line({ event: "ended", id, status: "failed", ms, message: errorOf(data) });
  else if (skip === undefined) yield line({ event: "ended", id, status: "passed", ms });
  else yield line({ event: "ended", id, status: "skipped", ms: 0, message: skip });
}

function* interrupted(file: string, name: string): Generator<string> {
  const itself = name.endsWith(file);
  const message = itself
    ? "The file did not end: something in it (a server, a socket, a timer) keeps the process alive."
    : "The test was still running when the runner was stopped.";
  yield line({ event: "fault", file, path: [itself ? "(the file)" : name], message });
}

function errorOf({ details }: Passed | Failed): string {
  const { error } = details as { error?: Error };
  const cause = error?.cause ?? error;
  return typeof cause === "string" ? cause : describeError(cause);
}

function skipReason({ skip, todo }: Passed | Failed): string | undefined {
  if (skip !== undefined) return skip === true ? "no reason given" : String(skip);
  return todo === undefined ? undefined : `todo ${todo === true ? "" : todo}`.trim();
}

function relativeToRoot(file: string): string {
  return file.startsWith("/") ? relative(process.env.MESH_TEST_ROOT ?? process.cwd(), file) : file;
}

function line(content: RecordLine): string {
  return `${JSON.stringify(content)}\n`;
}
