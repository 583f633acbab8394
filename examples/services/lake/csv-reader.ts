import { DatasetFormatError, maxRowLength, type Row, type RowReader } from "./rows.ts";

/** RFC 4180: the first record names the columns; quotes may enclose commas, line ends and doubled quotes. */
export class CsvReader implements RowReader {
  #columns: string[] | undefined;
  #fields: string[] = [];
  #field = "";
  #quoted = false;
  /** A quote inside a quoted field: whether it closes the field or stands for itself is up to what follows. */
  #quoteSeen = false;
  #records = 0;

  push(text: string): Row[] {
    const rows: Row[] = [];
    for (const char of text) {
      if (this.#quoteSeen) {
        this.#quoteSeen = false;
        if (char === '"') {
          this.#field += char;
          continue;
        }
        this.#quoted = false;
      }
      if (this.#quoted) {
        if (char === '"') this.#quoteSeen = true;
        else this.#field += char;
      } else if (char === '"' && this.#field === "") this.#quoted = true;
      else if (char === ",") this.#endField();
      else if (char === "\n") this.#endRecord(rows);
      else if (char !== "\r") this.#field += char;
      if (this.#field.length > maxRowLength) throw this.#error("is too long");
    }
    return rows;
  }

  end(): Row[] {
    const rows: Row[] = [];
    if (this.#quoted && !this.#quoteSeen) throw this.#error("ends inside quotes");
    this.#endRecord(rows);
    if (this.#columns === undefined) throw new DatasetFormatError("Cannot read the CSV: it has no header");
    return rows;
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = "";
  }

  #endRecord(rows: Row[]): void {
    const blank = this.#fields.length === 0 && this.#field === "";
    if (blank) return;
    this.#endField();
    const fields = this.#fields;
    this.#fields = [];
    if (this.#columns === undefined) {
      this.#columns = fields;
      return;
    }
    this.#records++;
    if (fields.length !== this.#columns.length) {
      throw this.#error(`has ${fields.length} fields instead of ${this.#columns.length}`);
    }
    rows.push(Object.fromEntries(this.#columns.map((column, i) => [column, fields[i] ?? ""])));
  }

  #error(what: string): DatasetFormatError {
    return new DatasetFormatError(`Cannot read the CSV: row ${this.#records} ${what}`);
  }
}
