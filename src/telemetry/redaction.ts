/** What stands in the place of a secret. */
export const redacted = "[redacted]";

/** Longest text of one field, in characters. */
const maxText = 1024;
const maxFrames = 24;
const deepestCause = 4;

/** Header fields that hold credentials. */
const secretHeaders: readonly string[] = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "x-api-key",
];

/** Query parameters that hold credentials, and names by which texts quote them. */
const secretNames: readonly string[] = [
  "access_token",
  "api-key",
  "api_key",
  "apikey",
  "assertion",
  "client_secret",
  "id_token",
  "jwt",
  "passwd",
  "password",
  "refresh_token",
  "secret",
  "sig",
  "signature",
  "token",
  "x-amz-credential",
  "x-amz-security-token",
  "x-amz-signature",
  "x-goog-signature",
];

/** Secret as parameters, and everyday words in texts. */
const secretParameters: readonly string[] = ["auth", "code", "key", "pwd", "session"];

/** Control and format characters, line separators, lone surrogates: what could begin a line of its own, or hide text. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
}

/** A text on one line, of bounded length: whatever a peer sends cannot pass for a line of the log. */
export function oneLine(text: string, maxLength: number = maxText): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(unprintable, escaped);
}

function anyOf(names: readonly string[]): string {
  return names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
}

const schemes = /\b(Bearer|Basic)\s+[\w.~+/=-]+/gi;
/** What URLs have before their host: a user name, a password, or a token in their place. */
const userInfo = /:\/\/[^\s/?#@"']*@/g;

/** What logs are told of an error. */
export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  /** Why TLS failed. */
  readonly tlsReason?: string;
  readonly stack?: string;
  readonly cause?: ErrorFields;
}

/** Takes secrets out of what is written into logs. */
export class Redaction {
  readonly #names: ReadonlySet<string>;
  readonly #own: ReadonlySet<string>;
  readonly #headerLine: RegExp;
  readonly #assignment: RegExp;
  /** As in the query of a URL, where the everyday words are names. */
  readonly #parameterInText: RegExp;

  /** @param names - of fields, header fields and query parameters that are secret besides the usual ones; in any case */
  constructor(names: readonly string[] = []) {
    const own = names.map((name) => name.toLowerCase());
    this.#own = new Set(own);
    this.#names = new Set([...secretHeaders, ...secretNames, ...secretParameters, ...own]);
    this.#headerLine = new RegExp(`\\b(${anyOf([...secretHeaders, ...own])})(["']?\\s*:\\s*).*`, "gi");
    const assigned = anyOf([...secretHeaders, ...secretNames, ...own]);
    this.#assignment = new RegExp(`\\b(${assigned})(=|["']\\s*:\\s*["']?)[^\\s&"',;]+`, "gi");
    this.#parameterInText = new RegExp(`([?&](?:${anyOf(secretParameters)})=)[^\\s&#"',;]+`, "gi");
  }

  /** Whether a header field or a query parameter of that name is secret. */
  hides(name: string): boolean {
    return this.#names.has(name.toLowerCase());
  }

  /** Those of the fields that are there; of those that are named as secret only that they are. */
  fields(fields: Record<string, unknown>): Record<string, unknown> {
    const shown: Record<string, unknown> = {};
    for (const name in fields) {
      const value = fields[name];
      if (value !== undefined) shown[name] = this.#own.has(name.toLowerCase()) ? redacted : value;
    }
    return shown;
  }

  /** A text that may quote what a peer has sent. */
  text(text: string): string {
    return oneLine(this.#withoutSecrets(text));
  }

  #withoutSecrets(text: string): string {
    // First, so that no more is looked through than is written.
    const cut = text.length > maxText * 2 ? text.slice(0, maxText * 2) : text;
    return cut
      .replace(schemes, `$1 ${redacted}`)
      .replace(userInfo, `://${redacted}@`)
      .replace(this.#headerLine, `$1$2${redacted}`)
      .replace(this.#assignment, `$1$2${redacted}`)
      .replace(this.#parameterInText, `$1${redacted}`);
  }

  /** Path and query of a URL, or the path alone. */
  target(url: string, withQuery = true): string {
    const scheme = url.indexOf("://");
    const start = url.startsWith("/") || scheme === -1 ? 0 : url.indexOf("/", scheme + 3);
    const [target = ""] = (start === -1 ? "/" : url.slice(start)).split("#", 1);
    const query = target.indexOf("?");
    if (query === -1) return oneLine(target);
    if (!withQuery) return oneLine(target.slice(0, query));
    const parameters = target.slice(query + 1).split("&");
    return oneLine(
      `${target.slice(0, query)}?${parameters.map((parameter) => this.#parameter(parameter)).join("&")}`,
    );
  }

  #parameter(parameter: string): string {
    const end = parameter.indexOf("=");
    if (end === -1) return parameter;
    const name = parameter.slice(0, end);
    // `user[token]` and `user.token` are names of tokens, too.
    const parts = decoded(name).split(/[[\].]/);
    return parts.some((part) => this.hides(part)) ? `${name}=${redacted}` : parameter;
  }

  /**
   * What is told of an error; anything may have been thrown.
   *
   * @param withStack - whether the place matters: for faults of this program
   */
  error(error: unknown, withStack: boolean): ErrorFields {
    try {
      return this.#error(error, withStack, deepestCause);
    } catch {
      return { type: typeof error, message: "an error that cannot be read" };
    }
  }

  #error(error: unknown, withStack: boolean, depth: number): ErrorFields {
    if (!(error instanceof Error)) return { type: typeof error, message: this.text(String(error)) };
    const { name, message, stack, cause } = error;
    const { code, tlsReason } = error as { code?: unknown; tlsReason?: unknown };
    return {
      type: oneLine(String(name)),
      message: this.text(String(message)),
      ...(typeof code === "string" && { code: oneLine(code) }),
      ...(typeof tlsReason === "string" && { tlsReason: oneLine(tlsReason) }),
      ...(withStack && typeof stack === "string" && { stack: this.#frames(stack, String(message)) }),
      ...(cause !== undefined && depth > 1 && { cause: this.#error(cause, withStack, depth - 1) }),
    };
  }

  /** The frames alone: a message in front of them may have lines that look like frames, or like lines of the log. */
  #frames(stack: string, message: string): string {
    const at = stack.indexOf(message);
    return stack
      .slice(at === -1 ? 0 : at + message.length)
      .split("\n")
      .filter((line) => /^\s*at /.test(line))
      .slice(0, maxFrames)
      .map((line) => `    ${this.text(line.trim())}`)
      .join("\n");
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
