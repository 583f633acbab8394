import { DatasetFormatError, maxRowLength, type Row, type RowReader } from "./rows.ts";

/**
 * The rows are the objects of the top-level array, or of the first array of objects that the top-level
 * object holds (`features` in GeoJSON). The row of a GeoJSON feature is its id and its properties.
 */
export class JsonReader implements RowReader {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #started = false;
  /** Depth of the array whose objects are the rows; 0 until it is found. */
  #rowsDepth = 0;
  #rowsEnded = false;
  #arrayJustOpened = false;
  #inRow = false;
  /** What earlier pieces brought of the row being read. */
  #pending = "";
  #records = 0;

  push(text: string): Row[] {
    const rows: Row[] = [];
    let rowStart = 0;
    for (let i = 0; i < text.length; i++) {
      const char = text[i];
      if (this.#inString) this.#continueString(char);
      else if (char === " " || char === "\n" || char === "\r" || char === "\t") continue;
      else if (char === "{" || char === "[") {
        if (this.#opensRow(char)) rowStart = i;
      } else if (char === "}" || char === "]") {
        if (!this.#closesRow()) continue;
        rows.push(this.#parse(this.#pending + text.slice(rowStart, i + 1)));
        this.#pending = "";
      } else {
        if (this.#depth === 0) throw this.#error("it is neither an array nor an object");
        this.#inString = char === '"';
        this.#arrayJustOpened = false;
      }
    }
    if (this.#inRow) this.#pending += text.slice(rowStart);
    if (this.#pending.length > maxRowLength) throw this.#error(`row ${this.#records + 1} is too long`);
    return rows;
  }

  end(): Row[] {
    if (this.#depth > 0 || !this.#started) throw this.#error("it is incomplete");
    return [];
  }

  #continueString(char: string | undefined): void {
    if (this.#escaped) this.#escaped = false;
    else if (char === "\\") this.#escaped = true;
    else if (char === '"') this.#inString = false;
  }

  #opensRow(char: "{" | "["): boolean {
    if (this.#started && this.#depth === 0) throw this.#error("it goes on after its end");
    this.#started = true;
    const firstOfArray = this.#arrayJustOpened && char === "{";
    if (firstOfArray && this.#rowsDepth === 0 && this.#depth <= 2) this.#rowsDepth = this.#depth;
    const row = char === "{" && this.#rowsDepth > 0 && this.#depth === this.#rowsDepth && !this.#rowsEnded;
    this.#inRow ||= row;
    this.#depth++;
    this.#arrayJustOpened = char === "[";
    return row;
  }

  #closesRow(): boolean {
    if (this.#depth === 0) throw this.#error("it is closed more often than opened");
    this.#depth--;
    this.#arrayJustOpened = false;
    if (this.#depth < this.#rowsDepth) this.#rowsEnded = true;
    const row = this.#inRow && this.#depth === this.#rowsDepth;
    if (row) this.#inRow = false;
    return row;
  }

  #parse(text: string): Row {
    this.#records++;
    let value: Record<string, unknown>;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#error(`row ${this.#records} is malformed`);
    }
    if (value.type === "Feature" && typeof value.properties === "object") {
      value = { id: value.id, ...value.properties };
    }
    return Object.fromEntries(Object.entries(value).map(([column, cell]) => [column, textOf(cell)]));
  }

  #error(what: string): DatasetFormatError {
    return new DatasetFormatError(`Cannot read the JSON: ${what}`);
  }
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
