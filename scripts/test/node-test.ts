/** The exports of `node:test`, for hosts that put a recorder in its place; the host installs it before this loads. */
import { installedRecorder } from "./installed-recorder.ts";
import type { RecordedModule } from "./recorder.ts";

const recorded: RecordedModule = installedRecorder();

export const test: RecordedModule["test"] = recorded.test;
export const it: RecordedModule["it"] = recorded.it;
export const describe: RecordedModule["describe"] = recorded.describe;
export const suite: RecordedModule["suite"] = recorded.suite;
export const before: RecordedModule["before"] = recorded.before;
export const after: RecordedModule["after"] = recorded.after;
export const beforeEach: RecordedModule["beforeEach"] = recorded.beforeEach;
export const afterEach: RecordedModule["afterEach"] = recorded.afterEach;
export default test;
