import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CsvReader } from "./csv-reader.ts";
import { JsonReader } from "./json-reader.ts";
import { DatasetFormatError, type Row, type RowReader } from "./rows.ts";

/** What is known of a stored dataset. */
export interface DatasetInfo {
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly rows: number;
  readonly columns: readonly string[];
  /** Hex SHA-256 of the stored bytes. */
  readonly sha256: string;
}

type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** What the description on disk says: also which file holds the bytes. */
interface Entry {
  readonly info: DatasetInfo;
  readonly file: string;
}

const readers: Readonly<Record<string, () => RowReader>> = {
  "text/csv": () => new CsvReader(),
  "application/json": () => new JsonReader(),
};

/** Names become file names: nothing that could leave the folder gets through. */
const validName = /^[a-z0-9][a-z0-9-]{0,62}$/;

/**
 * Datasets in a folder: `name.json` describes, `name.<id>.data` holds the bytes. Renaming a description
 * into place is the commit: until then readers see the old dataset, from then on the new one, and a
 * process that dies in between leaves only files that the next start removes.
 */
export class DatasetStore {
  readonly #folder: string;
  readonly #entries = new Map<string, Entry>();
  /** Commits wait for each other, so that memory and disk agree on which came last. */
  #lastCommit: Promise<unknown> = Promise.resolve();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<DatasetStore> {
    await mkdir(folder, { recursive: true });
    const store = new DatasetStore(folder);
    const files = await readdir(folder);
    const used = new Set<string>();
    for (const file of files.filter((name) => name.endsWith(".json"))) {
      const entry: Entry = JSON.parse(await readFile(join(folder, file), "utf8"));
      store.#entries.set(entry.info.name, entry);
      used.add(file).add(entry.file);
    }
    for (const file of files.filter((name) => !used.has(name))) await store.#remove(file);
    return store;
  }

  list(): DatasetInfo[] {
    const infos = [...this.#entries.values()].map(({ info }) => info);
    return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): DatasetInfo | undefined {
    return this.#entries.get(name)?.info;
  }

  /**
   * Stores what `body` brings. One pass writes, hashes and counts, and holds one piece at a time.
   *
   * @throws DatasetFormatError for a name, a media type or a content that cannot be stored
   */
  async put(name: string, mediaType: string, body: Pieces): Promise<DatasetInfo> {
    if (!validName.test(name)) {
      throw new DatasetFormatError(
        `Cannot store "${name}": use up to 63 lower-case letters, digits, hyphens`,
      );
    }
    const reader = readerOf(mediaType);
    const file = `${name}.${randomUUID()}.data`;
    try {
      const handle = await open(join(this.#folder, file), "wx");
      const facts = await receive(handle, reader, body).finally(() => handle.close());
      const info: DatasetInfo = { name, mediaType, ...facts };
      await this.#inTurn(() => this.#commit({ info, file }));
      return info;
    } catch (error) {
      await this.#remove(file);
      throw error;
    }
  }

  /** Whether there was such a dataset. */
  delete(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(name);
      if (entry === undefined) return false;
      await this.#remove(`${name}.json`);
      this.#entries.delete(name);
      await this.#remove(entry.file);
      return true;
    });
  }

  /** The stored bytes, piece by piece; undefined when there is no such dataset. */
  async content(name: string): Promise<{ info: DatasetInfo; bytes: ReadableStream<Uint8Array> } | undefined> {
    for (;;) {
      const entry = this.#entries.get(name);
      if (entry === undefined) return undefined;
      try {
        const handle = await open(join(this.#folder, entry.file), "r");
        return { info: entry.info, bytes: streamOf(handle) };
      } catch (error) {
        // Replaced between look-up and open: look again. Readers that have the old file open keep it to the end.
        if (this.#entries.get(name) === entry) throw error;
      }
    }
  }

  /** The rows, read from disk only as fast as they are taken; undefined when there is no such dataset. */
  async rows(name: string): Promise<AsyncGenerator<Row> | undefined> {
    const found = await this.content(name);
    return found && rowsOf(found.bytes, readerOf(found.info.mediaType));
  }

  async #commit(entry: Entry): Promise<void> {
    const { name } = entry.info;
    const temporary = join(this.#folder, `${entry.file}.tmp`);
    await writeFile(temporary, JSON.stringify(entry, null, 2));
    await rename(temporary, join(this.#folder, `${name}.json`));
    const previous = this.#entries.get(name);
    this.#entries.set(name, entry);
    if (previous !== undefined) await this.#remove(previous.file);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#lastCommit.then(task);
    this.#lastCommit = result.catch(() => {});
    return result;
  }

  #remove(file: string): Promise<void> {
    return rm(join(this.#folder, file), { force: true });
  }
}

function readerOf(mediaType: string): RowReader {
  const create = readers[mediaType];
  if (create !== undefined) return create();
  const known = Object.keys(readers).join(" or ");
  throw new DatasetFormatError(`Cannot store media type "${mediaType}": send ${known}`);
}

async function receive(
  handle: FileHandle,
  reader: RowReader,
  body: Pieces,
): Promise<Pick<DatasetInfo, "sizeBytes" | "rows" | "columns" | "sha256">> {
  const hash = createHash("sha256");
  const decoder = new TextDecoder();
  let sizeBytes = 0;
  let rows = 0;
  let columns: string[] | undefined;
  const count = (complete: Row[]): void => {
    columns ??= complete[0] && Object.keys(complete[0]);
    rows += complete.length;
  };
  for await (const piece of body) {
    hash.update(piece);
    sizeBytes += piece.byteLength;
    count(reader.push(decoder.decode(piece, { stream: true })));
    await handle.writeFile(piece);
  }
  count(reader.push(decoder.decode()));
  count(reader.end());
  return { sizeBytes, rows, columns: columns ?? [], sha256: hash.digest("hex") };
}

function streamOf(handle: FileHandle): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(65_536), 0, 65_536, null);
      if (bytesRead > 0) {
        controller.enqueue(buffer.subarray(0, bytesRead));
        return;
      }
      await handle.close();
      controller.close();
    },
    cancel: () => handle.close(),
  });
}

async function* rowsOf(bytes: AsyncIterable<Uint8Array>, reader: RowReader): AsyncGenerator<Row> {
  const decoder = new TextDecoder();
  for await (const piece of bytes) yield* reader.push(decoder.decode(piece, { stream: true }));
  yield* reader.push(decoder.decode());
  yield* reader.end();
}
