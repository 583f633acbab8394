import { Code, ConnectError, type StreamResponse, type Transport } from "@connectrpc/connect";
import { readableMessages } from "./readable-error.ts";

/**
 * The same transport, where a response that breaks the protocol is the server's fault: Connect calls a response that
 * stops half-way `invalid_argument`, a fault of the caller, which no breaker and no retry would count.
 */
export function serverFaults(transport: Transport): Transport {
  return {
    unary: (...call) => transport.unary(...call).catch(fail),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.stream(method, signal, timeoutMs, header, readableMessages(input), contextValues).then(
        (response) => ({
          ...response,
          message: withServerFaults(response.message) as typeof response.message,
        }),
        fail,
      ),
  };
}

function withServerFaults(messages: StreamResponse["message"]): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const inner: AsyncIterator<unknown> = messages[Symbol.asyncIterator]();
      return {
        next: () => inner.next().catch(fail),
        ...(inner.return && { return: inner.return.bind(inner) }),
        ...(inner.throw && { throw: inner.throw.bind(inner) }),
      };
    },
  };
}

function fail(error: unknown): never {
  throw isBrokenResponse(error)
    ? new ConnectError(error.rawMessage, Code.Internal, error.metadata, undefined, error)
    : error;
}

/** An error that a server stated itself is none: it is marked as having come over the wire. */
function isBrokenResponse(error: unknown): error is ConnectError {
  return (
    error instanceof ConnectError &&
    error.code === Code.InvalidArgument &&
    !error.isWireError &&
    error.rawMessage.startsWith("protocol error: ")
  );
}
