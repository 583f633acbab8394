/** Preloaded into Bun's test runner: what the test files import as `node:test` is recorded. */
import * as native from "node:test";
import { recordToFile } from "./file-recorder.ts";
import type { TestEngine } from "./recorder.ts";

// A copy of the real functions: after mock.module the namespace itself would show the recorded ones.
const engine: TestEngine = { ...(native as unknown as TestEngine) };
const recorded = recordToFile(engine);

const bunTest = "bun:test"; // A name the type checker does not resolve: these modules exist in Bun only.
const { mock } = await import(bunTest);
mock.module("node:test", () => ({ ...recorded, default: recorded.test }));
