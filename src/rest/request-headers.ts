import { meshHeaders, notFieldText, token } from "../core/headers.ts";
import { hopByHop, namedByConnection } from "../http/end-to-end-headers.ts";

/** Request headers: an object, `Headers`, or pairs. `undefined` leaves one out, also one that the client would send. */
export type HeadersInput =
  | Readonly<Record<string, string | number | undefined>>
  | Headers
  | Iterable<readonly [string, string]>;

/** What belongs to one connection, and the context that is written anew for each attempt. */
const notForwarded: ReadonlySet<string> = new Set([
  ...hopByHop,
  "content-length",
  "expect",
  "host",
  meshHeaders.attempt,
  meshHeaders.priority,
  meshHeaders.requestId,
  meshHeaders.retry,
  meshHeaders.timeout,
  meshHeaders.traceparent,
  meshHeaders.tracestate,
]);

/**
 * Adds headers to a record, with lower-case names. Those of the connection (`host`, `content-length`,
 * `connection` and the like) and of the call's context (`traceparent`, `mesh-attempt`) are left out: they are
 * written for each attempt, and those of a request that is passed on would be wrong. So are the fields that
 * `connection` names.
 *
 * @param who - the start of the error message: `Cannot call lake`
 * @throws TypeError when a name or a value cannot be sent
 */
export function addHeaders(who: string, target: Record<string, string>, input: HeadersInput): void {
  if (typeof input !== "object" || input === null) {
    const given = input === null ? "null" : typeof input;
    throw new TypeError(`${who}: headers is ${given}; pass an object, Headers or pairs`);
  }
  const connection: { value?: string } = {};
  if (Symbol.iterator in input) {
    for (const [name, value] of input as Iterable<readonly [string, string]>) {
      addHeader(who, target, connection, name, value);
    }
  } else {
    for (const name in input) addHeader(who, target, connection, name, input[name]);
  }
  for (const name of namedByConnection(connection.value)) delete target[name];
}

function addHeader(
  who: string,
  target: Record<string, string>,
  connection: { value?: string },
  given: string,
  value: string | number | undefined,
): void {
  if (value === undefined) {
    const name = String(given).toLowerCase();
    if (target[name] !== undefined) delete target[name];
    return;
  }
  if (!token.test(given)) throw new TypeError(`${who}: ${JSON.stringify(given)} is no header name`);
  if (value === null || typeof value === "function") {
    throw new TypeError(
      `${who}: the header ${given} is ${value === null ? "null" : "a function"}; pass text, or leave it out`,
    );
  }
  const text = String(value);
  if (notFieldText.test(text)) {
    throw new TypeError(
      `${who}: the header ${given} holds ${JSON.stringify(text)}; encode what is not Latin-1 text`,
    );
  }
  const name = given.toLowerCase();
  if (!notForwarded.has(name)) target[name] = text;
  else if (name === "connection") {
    connection.value = connection.value === undefined ? text : `${connection.value},${text}`;
  }
}
