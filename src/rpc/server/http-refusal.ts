import { Code, ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { UniversalMethod } from "./universal-method.ts";

const unaryTypes = "application/json or application/proto";
const streamTypes = "application/connect+json or application/connect+proto";

/** What is quoted of a request is cut here. */
const maxQuoted = 100;

function quoted(text: string): string {
  return JSON.stringify(text.length > maxQuoted ? `${text.slice(0, maxQuoted)}…` : text);
}

/**
 * Says why Connect refused a request by its HTTP method (405) or content type (415): its responses are empty, which tells
 * nothing to who calls by hand. As text: what protocol the client speaks, nobody knows.
 */
export function explained(
  response: UniversalServerResponse,
  { method, header }: UniversalServerRequest,
  { operation, streaming, allow }: Pick<UniversalMethod, "operation" | "streaming" | "allow">,
): UniversalServerResponse {
  if (response.body !== undefined) return response;
  const allowed = new Headers(response.header);
  const types = streaming ? streamTypes : unaryTypes;
  let message: string;
  if (response.status === 405) {
    message = `Cannot call ${operation} by ${method}: send a POST with content-type ${types}`;
    allowed.set("allow", allow);
  } else {
    const type = header.get("content-type");
    const what = type === null ? "without a content-type" : `with content-type ${quoted(type)}`;
    message = `Cannot call ${operation} ${what}: send ${types}, or a type of gRPC-Web or gRPC`;
    allowed.set("accept-post", types.replace(" or ", ", "));
  }
  const bytes = new TextEncoder().encode(`${message}\n`);
  allowed.set("content-type", "text/plain; charset=utf-8");
  allowed.set("content-length", String(bytes.byteLength));
  return { ...response, header: allowed, body: createAsyncIterable([bytes]) };
}

/** The error of a call to what is not served: it says whether the service is missing, or only its method. */
export function unservedError(path: string, methods: ReadonlyMap<string, unknown>): ConnectError {
  const operation = path.slice(1);
  const slash = operation.lastIndexOf("/");
  const service = operation.slice(0, slash);
  const why = methods.has(path)
    ? `${operation} is not served by this protocol`
    : [...methods.keys()].some((known) => known.startsWith(`/${service}/`))
      ? `${service} has no method ${quoted(operation.slice(slash + 1))} here`
      : `the service ${quoted(service)} is not served here`;
  return new ConnectError(`Cannot call ${quoted(operation)}: ${why}`, Code.Unimplemented);
}
