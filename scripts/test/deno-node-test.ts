/** What `node:test` means to the test files on Deno: the runner's import map points here. */
import "./deno-recorder.ts";

export * from "./node-test.ts";
export { default } from "./node-test.ts";
