/** What `node:test` means to the test files on Deno: the runner's import map points here. */
import * as native from "node:test";
import { recordToFile } from "./file-recorder.ts";
import type { RecordedModule, TestEngine } from "./recorder.ts";

const recorded: RecordedModule = recordToFile(native as unknown as TestEngine);

export const test: RecordedModule["test"] = recorded.test;
export const it: RecordedModule["it"] = recorded.it;
export const describe: RecordedModule["describe"] = recorded.describe;
export const suite: RecordedModule["suite"] = recorded.suite;
export const before: RecordedModule["before"] = recorded.before;
export const after: RecordedModule["after"] = recorded.after;
export const beforeEach: RecordedModule["beforeEach"] = recorded.beforeEach;
export const afterEach: RecordedModule["afterEach"] = recorded.afterEach;
export default test;
