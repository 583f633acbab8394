import { styleText } from "node:util";

/** How a column of a table is set. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

type Style = Parameters<typeof styleText>[0];

const plain = !process.stdout.isTTY || process.env.NO_COLOR !== undefined;

/** Styles text for a terminal; leaves it alone in a pipe. */
export function styled(style: Style, text: string): string {
  return plain ? text : styleText(style, text);
}

/** Prints lines, indented. */
export function print(text = "", indent = 0): void {
  for (const line of text.split("\n")) console.log(line === "" ? "" : " ".repeat(indent) + line);
}

/** Prints a heading with some air above it. */
export function heading(text: string): void {
  print(`\n${styled("bold", text)}`);
}

/** Sets rows in aligned columns; every line has the same layout, whatever the width of the terminal. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const cell = cells[i] ?? "";
        const width = widths[i] ?? 0;
        return align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const titles = columns.map(({ title }) => title);
  const head = titles.every((title) => title === "") ? [] : [styled("dim", line(titles))];
  return [...head, ...rows.map(line)].join("\n");
}

/** `1234567` → `1 234 567`. */
export function number(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** Milliseconds, as exactly as they deserve. */
export function duration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 ? ms.toFixed(0) : ms.toFixed(1)} ms`;
}

export function bytes(size: number): string {
  return size >= 1e6 ? `${(size / 1e6).toFixed(1)} MB` : `${(size / 1e3).toFixed(1)} kB`;
}
