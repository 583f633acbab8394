/** Installs a recorder around Deno's own `node:test`. */
import * as native from "node:test";
import { recordToFile } from "./file-recorder.ts";
import { installRecorder } from "./installed-recorder.ts";
import type { TestEngine } from "./recorder.ts";

installRecorder(recordToFile(native as unknown as TestEngine));
