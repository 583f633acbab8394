import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A file of real data, and what the tour knows of it without asking any service. */
export interface Source {
  readonly name: string;
  readonly path: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Every row as plain objects, read here by other means than the Lake's. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

const folder = new URL("../../node_modules/vega-datasets/data/", import.meta.url);

/** Daily weather of Seattle, 2012 to 2015: CSV. */
export const weather: Source = source("seattle-weather", "seattle-weather.csv", "text/csv", (text) => {
  const [header = "", ...lines] = text.trim().split("\n");
  const columns = header.trim().split(",");
  return lines.map((line) => {
    const cells = line.trim().split(",");
    return Object.fromEntries(columns.map((column, i) => [column, cells[i]]));
  });
});

/** A week of earthquakes as the USGS publishes it: GeoJSON. */
export const earthquakes: Source = source("earthquakes", "earthquakes.json", "application/json", (text) =>
  JSON.parse(text).features.map((feature: { properties: object }) => feature.properties),
);

/** Delay, distance and time of 200 000 flights: a JSON array of 9.9 MB. */
export const flights: Source = source("flights", "flights-200k.json", "application/json", JSON.parse);

/** How many rows have this text in this column. */
export function countRows(from: Source, column: string, equals: string): number {
  return from.rows.filter((row) => String(row[column]) === equals).length;
}

function source(
  name: string,
  file: string,
  mediaType: string,
  parse: (text: string) => Source["rows"],
): Source {
  const path = fileURLToPath(new URL(file, folder));
  const bytes = readFileSync(path);
  return {
    name,
    path,
    mediaType,
    sizeBytes: statSync(path).size,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    rows: parse(bytes.toString("utf8")),
  };
}
