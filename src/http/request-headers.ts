/** Request headers: an object, `Headers`, or pairs. `undefined` leaves one out. */
export type HeadersInput =
  | Readonly<Record<string, string | number | undefined>>
  | Headers
  | Iterable<readonly [string, string]>;

/** What belongs to one connection (RFC 9110, 7.6.1), and what the leaf writes itself. */
const notForwarded: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const token = /^[!#$%&'*+\-.^_`|~\w]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const unsafeValue = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/;

/**
 * Adds headers to a record, with lower-case names. Those of the connection (`host`, `content-length`,
 * `connection` and the like) are left out: they are the leaf's.
 *
 * @param who - the start of the error message: `Cannot call lake`
 * @throws TypeError when a name or a value cannot be sent
 */
export function addHeaders(who: string, target: Record<string, string>, input: HeadersInput): void {
  if (Symbol.iterator in input) {
    for (const [name, value] of input as Iterable<readonly [string, string]>) {
      addHeader(who, target, name, value);
    }
    return;
  }
  for (const name in input) addHeader(who, target, name, input[name]);
}

function addHeader(
  who: string,
  target: Record<string, string>,
  given: string,
  value: string | number | undefined,
): void {
  if (value === undefined) return;
  if (!token.test(given)) throw new TypeError(`${who}: ${JSON.stringify(given)} is no header name`);
  const text = String(value);
  if (unsafeValue.test(text)) {
    throw new TypeError(
      `${who}: the header ${given} holds ${JSON.stringify(text)}; encode what is not Latin-1 text`,
    );
  }
  const name = given.toLowerCase();
  if (!notForwarded.has(name)) target[name] = text;
}
