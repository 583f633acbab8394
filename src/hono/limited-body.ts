import { MeshError } from "../core/errors.ts";

/** The refusal of a body; one sentence for both ways in which it is found out. */
function bodyTooLarge(limitBytes: number): MeshError {
  return new MeshError("ERR_BODY_TOO_LARGE", `The request body is larger than ${limitBytes} bytes`);
}

/** What a request of the mesh's own listener knows of its body. */
export interface ListenedRequest extends Request {
  /** Whether it is being read as a stream. */
  readonly streamed?: boolean;
  readonly receivedBytes?: number;
}

/** A body that is counted while it is read. */
export interface LimitedRequest {
  readonly request: Request;
  /** The refusal, once the body has turned out to be too large. */
  readonly overflow: MeshError | undefined;
  /** Whether it is being read as a stream that has not ended. */
  readonly streamed: boolean;
  readonly receivedBytes: number;
}

/**
 * Sees to it that the body of a request is no larger than it may be: one that says how long it is is refused at once.
 *
 * @returns the request to go on with, where its length shows only while it is read
 * @throws MeshError `ERR_BODY_TOO_LARGE`
 */
export function limitBody(request: Request, limitBytes: number): LimitedRequest | undefined {
  if (limitBytes === Infinity) return undefined;
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (!(Number(length) <= limitBytes)) throw bodyTooLarge(limitBytes);
    return undefined;
  }
  return request.body === null ? undefined : countedBody(request, request.body, limitBytes);
}

/**
 * The same request with a body that fails once it is larger than it may be. Nothing is buffered, and back-pressure
 * passes through.
 */
function countedBody(
  request: Request,
  given: ReadableStream<Uint8Array>,
  limitBytes: number,
): LimitedRequest {
  let overflow: MeshError | undefined;
  let received = 0;
  let taken = false;
  let ended = false;
  const reader = given.getReader();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          ended = true;
          controller.close();
          return;
        }
        received += value.byteLength;
        if (received <= limitBytes) {
          controller.enqueue(value);
          return;
        }
        overflow = bodyTooLarge(limitBytes);
        controller.error(overflow);
        // Not awaited: a client that goes on sending must not hold up the response.
        reader.cancel(overflow).catch(() => {});
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  const limited = new Request(request.url, {
    method: request.method,
    headers: request.headers,
    body,
    signal: request.signal,
    // Node demands it; not in every platform's types.
    ...{ duplex: "half" },
  });
  // What collects the body, such as `json()`, does not ask for it in this way.
  Object.defineProperty(limited, "body", {
    get() {
      taken = true;
      return Reflect.get(Object.getPrototypeOf(limited), "body", limited);
    },
    configurable: true,
  });
  return {
    request: limited,
    get overflow() {
      return overflow;
    },
    get streamed() {
      return taken && !ended;
    },
    get receivedBytes() {
      return received;
    },
  };
}
