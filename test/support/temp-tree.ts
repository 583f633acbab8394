import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Files by path, relative to the root of their tree. */
export type TreeFiles = Readonly<Record<string, string>>;

/** Writes the files to a folder of their own, runs the task on it, and removes it. */
export async function withTree<T>(files: TreeFiles, task: (root: string) => T | Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "mesh-tree-"));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    return await task(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
