/**
 * The engine that runs the tests on workerd, which has no `node:test`, and the recorder around it, installed.
 * Everything runs inside the `test` handler, suite bodies too, because workerd forbids I/O, timers and
 * random values while a module loads.
 */
import { installRecorder } from "./installed-recorder.ts";
import type { RecordLine } from "./record.ts";
import { createRecorder, describeError, type TestEngine } from "./recorder.ts";
import { recordingMark } from "./recording-mark.ts";

type Hook = () => unknown;
type HookKind = "before" | "after" | "beforeEach" | "afterEach";

interface Suite {
  readonly parent: Suite | undefined;
  readonly hooks: Record<HookKind, Hook[]>;
  readonly children: (() => Promise<void>)[];
}

/** Set by the generated entry of each bundle before this module loads. */
interface HostGlobals {
  readonly meshTest: { readonly file: string; readonly filter: string; readonly timeoutMs: number };
}

const { file, filter, timeoutMs } = (globalThis as unknown as HostGlobals).meshTest;
const root = newSuite(undefined);
let current = root;
let failures = 0;

function newSuite(parent: Suite | undefined): Suite {
  return { parent, hooks: { before: [], after: [], beforeEach: [], afterEach: [] }, children: [] };
}

async function runSuite(suite: Suite, body: () => void): Promise<void> {
  current = suite;
  body();
  try {
    for (const hook of suite.hooks.before) await hook();
    for (const child of suite.children) await child();
  } finally {
    for (const hook of suite.hooks.after) await hook();
  }
}

async function runTest(suite: Suite, body: () => unknown): Promise<void> {
  const around: Suite[] = [];
  for (let each: Suite | undefined = suite; each; each = each.parent) around.unshift(each);
  try {
    for (const each of around) for (const hook of each.hooks.beforeEach) await hook();
    await body();
  } finally {
    for (const each of around.reverse()) for (const hook of each.hooks.afterEach) await hook();
  }
}

async function counted(task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch {
    failures += 1; // The recorder has written what happened.
  }
}

const engine: TestEngine = {
  test: (_name, options, body) => {
    const suite = current;
    if (!options.skip)
      suite.children.push(() => counted(() => runTest(suite, () => body({ skip: () => {} }))));
  },
  describe: (_name, options, body) => {
    const parent = current;
    if (!options.skip) parent.children.push(() => counted(() => runSuite(newSuite(parent), body)));
  },
  before: (hook) => current.hooks.before.push(hook),
  after: (hook) => current.hooks.after.push(hook),
  beforeEach: (hook) => current.hooks.beforeEach.push(hook),
  afterEach: (hook) => current.hooks.afterEach.push(hook),
};

function write(line: RecordLine): void {
  console.log(`${recordingMark}${JSON.stringify(line)}`);
}

installRecorder(
  createRecorder(engine, {
    write,
    currentFile: () => file,
    instance: file,
    filter,
    timeoutMs,
  }),
);

/** The `test` handler of the generated entry. */
export async function runTests(): Promise<void> {
  addEventListener("unhandledrejection", (event: PromiseRejectionEvent) => {
    failures += 1;
    write({ event: "fault", file, path: ["unhandled rejection"], message: describeError(event.reason) });
  });
  await counted(() => runSuite(root, () => {}));
  if (failures > 0) throw new Error(`${failures} failed in ${file}`);
}
