import type { RecordedModule } from "./recorder.ts";

let installed: RecordedModule | undefined;

/** Makes a recorder the one that stands for `node:test` here. */
export function installRecorder(recorder: RecordedModule): void {
  installed = recorder;
}

/** The recorder that stands for `node:test` here. */
export function installedRecorder(): RecordedModule {
  if (installed === undefined)
    throw new Error("Cannot declare tests: no recorder is installed; run npm test");
  return installed;
}
