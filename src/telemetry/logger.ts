import { isThenable, reportLost } from "../core/hooks.ts";
import { checkOptions, checkWord, type OptionKeys } from "../core/options.ts";
import { type AccessLogOptions, checkAccessLog } from "./access-log-options.ts";
import { Redaction } from "./redaction.ts";

/** How much a line matters, the least first. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

const levels: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

/** What a line says besides its message; plain data. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * What lines are written with: a method for each level, which takes the fields and then the message. A `pino` logger and
 * `console` are ones as they are; {@link messageFirst} makes one of LogTape's, winston's and others.
 */
export interface Logger {
  /** @default debug */
  trace?(fields: LogFields, message: string): void;
  /** What is decided about single calls, and connections. */
  debug(fields: LogFields, message: string): void;
  /** What changes, and the access log. */
  info(fields: LogFields, message: string): void;
  /** What needs a look when it goes on. */
  warn(fields: LogFields, message: string): void;
  /** What failed in this program, and configuration that was refused. */
  error(fields: LogFields, message: string): void;
}

/** A logger that takes the message first, and then its fields. */
export interface MessageFirstLogger {
  /** @default debug */
  trace?(message: string, fields: Record<string, unknown>): void;
  /** Like {@link Logger.debug}. */
  debug(message: string, fields: Record<string, unknown>): void;
  /** Like {@link Logger.info}. */
  info(message: string, fields: Record<string, unknown>): void;
  /** Like {@link Logger.warn}. */
  warn(message: string, fields: Record<string, unknown>): void;
  /** Like {@link Logger.error}. */
  error(message: string, fields: Record<string, unknown>): void;
}

/**
 * Makes a {@link Logger} of one that takes the message first, as those of LogTape and winston do.
 *
 * @example
 * ```ts
 * const mesh = createMesh({ service: "gateway", logger: messageFirst(getLogger(["gateway", "mesh"])) });
 * ```
 * @throws TypeError when it is no logger
 */
export function messageFirst(logger: MessageFirstLogger): Logger {
  checkLogger("messageFirst()", "its logger", logger);
  const at =
    (level: LogLevel): Logger["info"] =>
    (fields, message) =>
      (logger[level] ?? logger.debug).call(logger, message, fields);
  return {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}

/** What is written, beside where to. */
export interface LoggingOptions {
  /**
   * The least level that is written. What only a lower one would write costs nothing.
   *
   * @default what the logger lets through, where it says so when the mesh is made (pino's `isLevelEnabled` does): "trace",
   *   "debug", or else "info"
   */
  readonly level?: LogLevel;
  /** One line for each request that is served, at `info`; `false` for none. @default requests served, all of them */
  readonly access?: false | AccessLogOptions;
  /**
   * Names of fields, header fields and query parameters that are written as `[redacted]`, in any case. The usual names of
   * credentials (`authorization`, `cookie`, `x-api-key`, `access_token`, …) always are.
   *
   * @default none
   */
  readonly redact?: readonly string[];
}

const knownLoggingOptions: OptionKeys<LoggingOptions> = { level: true, access: true, redact: true };

/** Where lines go: a logger that can do no harm. */
export class Log {
  readonly redaction: Redaction;
  /** Undefined for none. */
  readonly access: AccessLogOptions | undefined;
  readonly #logger: Logger;
  readonly #least: number;
  #broken = false;

  /** @throws TypeError | RangeError when it is no logger, or an option makes no sense */
  constructor(who: string, logger: Logger, options: LoggingOptions = {}) {
    checkLogger(who, "logger", logger);
    checkOrder(who, logger);
    const what = `the logging of ${who}`;
    checkOptions(what, options, knownLoggingOptions);
    this.#logger = logger;
    const level = checkWord(what, "level", options.level, levels) ?? levelOf(logger);
    this.#least = levels.indexOf(level);
    const access = checkAccessLog(what, options.access);
    this.access = this.writes("info") ? access : undefined;
    this.redaction = new Redaction(checkNames(what, options.redact));
  }

  /** Whether lines of that level are written. */
  writes(level: LogLevel): boolean {
    return levels.indexOf(level) >= this.#least;
  }

  /** Writes a line. Never throws; that a logger fails is told once, on the console. */
  write(level: LogLevel, fields: Record<string, unknown>, message: string): void {
    if (!this.writes(level)) return;
    const logger = this.#logger;
    try {
      const write = logger[level] ?? logger.debug;
      const late: unknown = write.call(logger, this.redaction.fields(fields), message);
      if (isThenable(late)) late.then(undefined, (error) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#broken) return;
    this.#broken = true;
    reportLost("The logger (further failures are not told)", error);
  }
}

function checkLogger(who: string, name: string, logger: unknown): void {
  for (const level of levels) {
    const method: unknown = (logger as Partial<Record<LogLevel, unknown>> | null | undefined)?.[level];
    if (typeof method === "function" || (level === "trace" && method === undefined)) continue;
    throw new TypeError(
      `Cannot make ${who}: ${name} has no method "${level}"; pass a pino logger, console, or messageFirst(logger) for LogTape`,
    );
  }
}

/** Loggers that take the message first, by a method that only they have. */
const messageFirstLoggers = { LogTape: "getChild", winston: "configure" } as const;

/** Refuses loggers that would take the fields for the message. */
function checkOrder(who: string, logger: Logger): void {
  for (const [name, method] of Object.entries(messageFirstLoggers)) {
    if (typeof Reflect.get(logger, method) !== "function") continue;
    throw new TypeError(
      `Cannot make ${who}: logger is one of ${name}, which takes the message first; pass messageFirst(logger)`,
    );
  }
}

/** What the logger says that it lets through. */
function levelOf(logger: Logger): LogLevel {
  const { isLevelEnabled } = logger as { isLevelEnabled?: (level: string) => unknown };
  if (typeof isLevelEnabled !== "function") return "info";
  return (["trace", "debug"] as const).find((level) => isLevelEnabled.call(logger, level) === true) ?? "info";
}

function checkNames(who: string, names: readonly string[] = []): readonly string[] {
  if (Array.isArray(names) && names.every((name) => typeof name === "string" && name !== "")) return names;
  throw new TypeError(`Cannot make ${who}: redact is no list of names; pass ["x-session", "email"]`);
}
