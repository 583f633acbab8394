import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";
import { createRecorder, type RecordedModule, type TestEngine } from "./recorder.ts";

/** The environment by which the runner talks to the recorder inside Deno and Bun. */
export interface RecorderEnvironment {
  readonly MESH_TEST_RECORDING: string;
  readonly MESH_TEST_ROOT: string;
  readonly MESH_TEST_FILTER: string;
  readonly MESH_TEST_TIMEOUT_MS: string;
}

/** Wraps the given `node:test` with a recorder that appends to the file named in the environment. */
export function recordToFile(engine: TestEngine): RecordedModule {
  const { MESH_TEST_RECORDING, MESH_TEST_ROOT, MESH_TEST_FILTER, MESH_TEST_TIMEOUT_MS } =
    process.env as Partial<RecorderEnvironment>;
  if (!MESH_TEST_RECORDING || !MESH_TEST_ROOT) {
    throw new Error("Cannot record tests: MESH_TEST_RECORDING and MESH_TEST_ROOT are not set; run npm test");
  }
  return createRecorder(engine, {
    write: (line) => appendFileSync(MESH_TEST_RECORDING, `${JSON.stringify(line)}\n`),
    currentFile: () => relative(MESH_TEST_ROOT, callingTestFile()),
    instance: crypto.randomUUID(),
    filter: MESH_TEST_FILTER ?? "",
    timeoutMs: Number(MESH_TEST_TIMEOUT_MS ?? 60_000),
  });
}

function callingTestFile(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = limit;
  const file = /(?:file:\/\/)?(\/[^\n()]*?\.test\.ts)/.exec(stack)?.[1];
  if (!file) throw new Error(`Cannot tell which test file declares this test:\n${stack}`);
  return decodeURI(file);
}
