import type { Logger, LogLevel } from "../../src/telemetry/logger.ts";

/** A line as a logger was given it. */
export interface RecordedLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps its lines. */
export interface RecordingLogger {
  readonly logger: Logger;
  readonly lines: RecordedLine[];
  /** The fields of the lines of that event. */
  of(event: string): Readonly<Record<string, unknown>>[];
}

export function recordingLogger(): RecordingLogger {
  const lines: RecordedLine[] = [];
  const at =
    (level: LogLevel): Logger["info"] =>
    (fields, message) => {
      lines.push({ level, message, fields });
    };
  return {
    logger: {
      trace: at("trace"),
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
    },
    lines,
    of: (event) => lines.filter(({ fields }) => fields.event === event).map(({ fields }) => fields),
  };
}
