import { checkCircles, checkImports } from "./import-rules.ts";
import { checkMachinePaths, checkPackage } from "./package-rules.ts";
import { checkFiles, checkGlobals, checkVoided } from "./source-rules.ts";
import { readTree, type Violation } from "./tree.ts";

/** Checks the tree against every rule of the architecture. */
export function checkArchitecture(root: string): Violation[] {
  const tree = readTree(root);
  return [
    checkImports,
    checkCircles,
    checkFiles,
    checkGlobals,
    checkVoided,
    checkPackage,
    checkMachinePaths,
  ].flatMap((check) => check(tree));
}

/** One line for a violation: `file:line  rule: message`. */
export function lineOf({ file, line, rule, message }: Violation): string {
  return `${file}${line === undefined ? "" : `:${line}`}  ${rule}: ${message}`;
}
