import type { RecordLine } from "./record.ts";

/** The options of `node:test` that the suites use. */
export interface TestOptions {
  readonly skip?: boolean | string;
  readonly todo?: boolean | string;
  readonly timeout?: number;
}

interface TestContext {
  skip(reason?: string): void;
}

type TestBody = (context: TestContext) => unknown;
type Hook = (body: () => unknown) => void;
type Declare<Body> = (name: string, options: TestOptions, body: Body) => unknown;

/** The part of `node:test` that exists on every runtime. */
export interface TestEngine {
  readonly test: Declare<TestBody>;
  readonly describe: Declare<() => void>;
  readonly before: Hook;
  readonly after: Hook;
  readonly beforeEach: Hook;
  readonly afterEach: Hook;
}

interface Declaring<Body> {
  (name: string, body: Body): unknown;
  (name: string, options: TestOptions, body?: Body): unknown;
  skip: (name: string, ...rest: readonly unknown[]) => unknown;
}

/** What a test file gets when it imports `node:test`. */
export interface RecordedModule extends Record<"before" | "after" | "beforeEach" | "afterEach", Hook> {
  readonly test: Declaring<TestBody>;
  readonly it: Declaring<TestBody>;
  readonly describe: Declaring<() => void>;
  readonly suite: Declaring<() => void>;
}

/** How a recorder writes, and what it runs. */
export interface RecorderOptions {
  readonly write: (line: RecordLine) => void;
  /** The test file that is declaring tests right now. */
  readonly currentFile: () => string;
  /** Sets the ids of this recorder apart from those of others that write to the same place. */
  readonly instance: string;
  /** Only tests whose full name contains this text are declared. */
  readonly filter?: string;
  /** Bound of each test that sets none itself. @default 60_000 */
  readonly timeoutMs?: number;
}

/**
 * Wraps a runtime's own `node:test` so that every test leaves a record. Deno and Bun report neither the
 * reason of a skip nor (Deno) the file of a nested test; and one format for all needs no parser each.
 */
export function createRecorder(engine: TestEngine, options: RecorderOptions): RecordedModule {
  const { write, currentFile, instance, filter = "", timeoutMs = 60_000 } = options;
  let suitePath: readonly string[] = [];
  let suiteFile: string | undefined;
  let count = 0;

  function declareTest(name: string, given: TestOptions, body?: TestBody): unknown {
    const path = [...suitePath, name];
    if (!path.join(" ").includes(filter)) return;
    if (body && body.length > 1) {
      throw new TypeError(
        `Cannot declare "${name}": done callbacks do not exist on every runtime, return a promise`,
      );
    }
    const id = `${instance}-${++count}`;
    write({ event: "declared", id, file: suiteFile ?? currentFile(), path });
    const { timeout = timeoutMs, ...rest } = given;
    const reason = skipReason(rest, body);
    if (reason !== undefined || !body) {
      write({ event: "ended", id, status: "skipped", ms: 0, message: reason ?? "no test body" });
      return engine.test(name, { ...rest, skip: reason || true }, () => {});
    }
    return engine.test(name, rest, async (context) => {
      write({ event: "started", id });
      const startedAt = performance.now();
      const end = (status: "passed" | "failed" | "skipped", message?: string): void => {
        const ms = performance.now() - startedAt;
        write({ event: "ended", id, status, ms, ...(message === undefined ? {} : { message }) });
      };
      let skipped: string | undefined;
      const skip = context.skip.bind(context);
      context.skip = (why) => {
        skipped = why ?? "";
        skip(why);
      };
      try {
        await bounded(() => body(context), timeout);
      } catch (error) {
        end("failed", describeError(error));
        throw error;
      }
      if (skipped === undefined) end("passed");
      else end("skipped", skipped);
    });
  }

  function declareSuite(name: string, given: TestOptions, body?: () => void): unknown {
    const path = [...suitePath, name];
    const file = suiteFile ?? currentFile();
    const reason = skipReason(given, body);
    if (reason !== undefined || !body) {
      const id = `${instance}-${++count}`;
      write({ event: "declared", id, file, path });
      write({ event: "ended", id, status: "skipped", ms: 0, message: reason ?? "no suite body" });
      return engine.describe(name, { ...given, skip: reason || true }, () => {});
    }
    return engine.describe(name, given, () => {
      const outer = { suitePath, suiteFile };
      suitePath = path;
      suiteFile = file;
      try {
        const returned: unknown = body();
        if (returned instanceof Promise) {
          throw new TypeError(
            `Cannot declare suite "${name}": its body is async; prepare in before() instead`,
          );
        }
      } finally {
        ({ suitePath, suiteFile } = outer);
      }
    });
  }

  function hook(kind: "before" | "after" | "beforeEach" | "afterEach"): Hook {
    return (body) => {
      const path = [...suitePath, `${kind} hook`];
      const file = suiteFile ?? currentFile();
      engine[kind](async () => {
        try {
          await bounded(body, timeoutMs);
        } catch (error) {
          write({ event: "fault", file, path, message: describeError(error) });
          throw error;
        }
      });
    };
  }

  const test = declaring(declareTest);
  const describe = declaring(declareSuite);
  return {
    test,
    it: test,
    describe,
    suite: describe,
    before: hook("before"),
    after: hook("after"),
    beforeEach: hook("beforeEach"),
    afterEach: hook("afterEach"),
  };
}

function declaring<Body extends (...args: never[]) => unknown>(
  declare: (name: string, options: TestOptions, body?: Body) => unknown,
): Declaring<Body> {
  const call = (name: string, second?: TestOptions | Body, third?: Body): unknown =>
    typeof second === "function" ? declare(name, {}, second) : declare(name, second ?? {}, third);
  const skip: Declaring<Body>["skip"] = (name) => declare(name, { skip: "unconditional" });
  return Object.assign(call, { skip });
}

function skipReason(options: TestOptions, body: unknown): string | undefined {
  if (options.skip || options.skip === "") return options.skip === true ? "no reason given" : options.skip;
  if (options.todo || options.todo === "") return `todo ${options.todo === true ? "" : options.todo}`.trim();
  return body ? undefined : "no body";
}

/** Where a runtime announces the errors that nobody caught. */
const globalEvents: Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> = globalThis;

/** Fails when the body takes too long, and for an error outside of it, which Deno's `node:test` keeps to itself. */
async function bounded(body: () => unknown, timeoutMs: number): Promise<void> {
  let stop = (): void => {};
  const failed = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`The test took longer than ${timeoutMs} ms`)), timeoutMs);
    const onError = (event: Event): void => reject((event as ErrorEvent).error);
    globalEvents.addEventListener?.("error", onError);
    stop = () => {
      clearTimeout(timer);
      globalEvents.removeEventListener?.("error", onError);
    };
  });
  try {
    await Promise.race([Promise.resolve().then(body), failed]);
  } finally {
    stop();
  }
}

/** The error with its stack and its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `A thrown ${typeof error}: ${String(error)}`;
  const own = error.stack?.includes(error.message)
    ? error.stack
    : `${error.name}: ${error.message}\n${error.stack ?? ""}`;
  return error.cause === undefined ? own : `${own}\nCaused by: ${describeError(error.cause)}`;
}
