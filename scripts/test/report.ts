import type { JobReport } from "./hosts.ts";
import { type TestResult, titleOf } from "./record.ts";
import { suiteKindOf } from "./suites.ts";

/** How many of each. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts the results by status. */
export function countsOf(results: readonly TestResult[]): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status } of results) counts[status] += 1;
  return counts;
}

/** The table: one row per job. */
export function tableOf(reports: readonly JobReport[]): string {
  const rows = [["runtime", "suites", "files", "passed", "failed", "skipped", "seconds"]];
  for (const { job, results, problems, seconds } of reports) {
    const { passed, failed, skipped } = countsOf(results);
    const kinds = [...new Set(job.files.map(suiteKindOf))].join(", ");
    const numbers = [job.files.length, passed, failed + problems.length, skipped, seconds.toFixed(1)];
    rows.push([job.runtime, kinds, ...numbers.map(String)]);
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]): string =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  return rows.map(line).join("\n");
}

/** Every failure in full, with what each runtime could not do. */
export function failuresOf(reports: readonly JobReport[]): string {
  const texts = reports.flatMap(({ job, results, problems }) => [
    ...results
      .filter(({ status }) => status === "failed")
      .map((result) => `✗ ${job.runtime}: ${titleOf(result)}\n${indent(result.message ?? "")}`),
    ...problems.map((problem) => `✗ ${indent(problem).trimStart()}`),
  ]);
  return texts.join("\n\n");
}

/** Why tests were skipped: each reason once, with the runtimes and how many tests. */
export function skipsOf(reports: readonly JobReport[]): string {
  const byReason = new Map<string, Map<string, number>>();
  for (const { job, results } of reports) {
    for (const { status, message = "" } of results) {
      if (status !== "skipped") continue;
      const byRuntime = byReason.get(message) ?? new Map<string, number>();
      byReason.set(message, byRuntime.set(job.runtime, (byRuntime.get(job.runtime) ?? 0) + 1));
    }
  }
  return [...byReason]
    .map(([reason, byRuntime]) => {
      const where = [...byRuntime].map(([runtime, count]) => `${runtime} ${count}`).join(", ");
      return `skipped (${where}) ${reason}`;
    })
    .join("\n");
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "    ");
}
