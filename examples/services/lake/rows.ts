/** One row of a dataset: column name to text, as QueryRows sends it. */
export type Row = Record<string, string>;

/** Turns the text of a dataset into rows, piece by piece, without ever holding the whole of it. */
export interface RowReader {
  /** The rows that became complete with this piece of text. */
  push(text: string): Row[];
  /** The rows that the end of the text completes. */
  end(): Row[];
}

/** The dataset is not what its media type says; the message says where. */
export class DatasetFormatError extends Error {
  override readonly name = "DatasetFormatError";
}

/** The longest single row, in characters: a row must fit in memory, a dataset need not. */
export const maxRowLength = 1_000_000;
