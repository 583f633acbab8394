import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { bytes, duration, number, table } from "./account.ts";
import { countRows, earthquakes, flights, type Source, weather } from "./sources.ts";
import { ask, check, eventsOf, linesOf, type Step, type Tour } from "./tour.ts";

interface StoredDataset {
  readonly name: string;
  readonly rows: number;
  readonly sha256: string;
}

interface Announcement {
  readonly type: string;
  readonly source: string;
  readonly attributes: { readonly name: string };
}

const left = { title: "" };
const right = { title: "", align: "right" } as const;

const sources: readonly Source[] = [weather, earthquakes, flights];

/** Uploads real data as streams; the Lake announces each to the Stream, which tells the followers. */
export const upload: Step = {
  title: "Upload three datasets as streams, while somebody follows the announcements",
  async run(tour) {
    const stop = new AbortController();
    const following = await ask(tour, "/api/events/datasets", { signal: stop.signal });
    try {
      const [announcements] = await Promise.all([take(following, sources.length), uploadAll(tour)]);
      const names = announcements.map(({ attributes }) => attributes.name).join(", ");
      check(names === sources.map(({ name }) => name).join(", "), "an announcement of each, in order", names);
      const publishers = [...new Set(announcements.map(({ source }) => source))].join(", ");
      tour.note(`followed live: ${names}; published by ${publishers}, as its certificate proves`);
    } finally {
      stop.abort();
    }
  },
};

/** Asks for rows through the gateway and compares the responses with the source files. */
export const query: Step = {
  title: "Query rows back, streamed out of the Lake over gRPC",
  async run(tour) {
    const longest = flights.rows.reduce((max, { delay }) => Math.max(max, Number(delay)), 0);
    const questions = [
      [weather, "weather", "snow"],
      [earthquakes, "magType", "mww"],
      [flights, "delay", String(longest)],
      [flights, "delay", "0"],
    ] as const;
    const rows: string[][] = [];
    for (const [source, column, equals] of questions) {
      const begun = performance.now();
      const search = new URLSearchParams({ column, equals });
      const response = await ask(tour, `/api/datasets/${source.name}/rows?${search}`);
      let count = 0;
      for await (const line of linesOf(response)) {
        check(JSON.parse(line)[column] === equals, `rows with ${column} = ${equals}`, line);
        count++;
      }
      const expected = countRows(source, column, equals);
      check(count === expected, `${expected} rows of ${source.name} with ${column} = ${equals}`, count);
      const ms = performance.now() - begun;
      rows.push([
        source.name,
        `${column} = ${equals}`,
        `${number(count)} rows`,
        "as in the file",
        duration(ms),
      ]);
    }
    tour.note(table([left, left, right, left, right], rows));
  },
};

/** Downloads the largest dataset and compares it byte for byte. */
export const download: Step = {
  title: "Download the flights as a stream",
  async run(tour) {
    const response = await ask(tour, `/api/datasets/${flights.name}/content`);
    const sha256 = await hashOf(response);
    check(sha256 === flights.sha256, `SHA-256 ${flights.sha256}`, sha256);
    tour.note(`${bytes(flights.sizeBytes)}, sha256 ${sha256.slice(0, 12)}…: the same bytes as uploaded`);
  },
};

async function put(tour: Tour, source: Source): Promise<StoredDataset> {
  const body = Readable.toWeb(createReadStream(source.path)) as ReadableStream<Uint8Array>;
  const headers = { "content-type": source.mediaType };
  const response = await ask(tour, `/api/datasets/${source.name}`, { method: "PUT", body, headers });
  return (await response.json()) as StoredDataset;
}

async function uploadAll(tour: Tour): Promise<void> {
  const rows: string[][] = [];
  for (const source of sources) {
    const begun = performance.now();
    const stored = await put(tour, source);
    const ms = performance.now() - begun;
    check(stored.rows === source.rows.length, `${source.rows.length} rows of ${source.name}`, stored.rows);
    check(stored.sha256 === source.sha256, `SHA-256 ${source.sha256} of ${source.name}`, stored.sha256);
    const facts = [
      bytes(source.sizeBytes),
      `${number(stored.rows)} rows`,
      `sha256 ${stored.sha256.slice(0, 12)}…`,
    ];
    rows.push([source.name, source.mediaType, ...facts, duration(ms)]);
  }
  tour.note(table([left, left, right, right, left, right], rows));
}

async function take(following: Response, count: number): Promise<Announcement[]> {
  const found: Announcement[] = [];
  for await (const event of eventsOf<Announcement>(following)) {
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}

/** Hex SHA-256 of a body, read piece by piece. */
export async function hashOf(response: Response): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of response.body ?? []) hash.update(piece);
  return hash.digest("hex");
}
