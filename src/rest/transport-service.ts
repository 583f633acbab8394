import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { Service } from "../core/service.ts";
import { endsItsCall, outcomeOfError, outcomeOfStatus } from "../http/status-outcome.ts";
import type { HttpBody, HttpResponse, HttpTransport } from "./http-transport.ts";
import type { RestRequest } from "./rest-request.ts";
import { TransportResponse } from "./transport-response.ts";
import { UnreadBodies } from "./unread-bodies.ts";

/** Options of {@link createTransportService}. */
export interface RestTransportServiceOptions {
  readonly transport: HttpTransport;
  /** Writes what travels with the call (request id, trace, deadline, attempt) into the headers of one attempt. */
  readonly decorate?: (call: Call, headers: Record<string, string>) => void;
  /** Connections to one endpoint at most; bodies that nobody reads hold no more than half of them. @default 100 */
  readonly maxConnectionsPerEndpoint?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** The innermost service of the pipeline: one request, to the endpoint that was picked for this attempt. */
export function createTransportService(
  options: RestTransportServiceOptions,
): Service<RestRequest, HttpResponse> {
  const { transport, decorate, maxConnectionsPerEndpoint = 100, clock = systemClock } = options;
  const unread = new UnreadBodies({ clock, maxConnectionsPerEndpoint });

  function send(
    call: Call,
    { method, body }: RestRequest,
    url: string,
    headers: Record<string, string>,
  ): Promise<HttpResponse> {
    if (typeof body !== "function" && !(body instanceof ReadableStream)) {
      return transport.send(call, { method, url, headers, body: body as HttpBody | undefined });
    }
    const upload = new Upload(typeof body === "function" ? body() : body);
    return transport.send(call, { method, url, headers, body: upload.stream }).catch((error) => {
      throw upload.failureOf(call) ?? error;
    });
  }

  return async function sendToEndpoint(call, request) {
    if (call.endpoint === undefined) {
      throw new MeshError("ERR_NO_ENDPOINTS", `Cannot call ${call.service}: no endpoint was picked for it`);
    }
    const { origin } = call.endpoint;
    const url = origin + request.target;
    unread.makeRoom(origin);
    const headers = { ...request.headers };
    decorate?.(call, headers);
    let response: HttpResponse;
    try {
      response = await send(call, request, url, headers);
    } catch (error) {
      call.end(outcomeOfError(call, error));
      throw error;
    }
    if (response.settled !== false || endsItsCall(response.status)) {
      call.end(outcomeOfStatus(response.status, response.headers));
    }
    if (response instanceof TransportResponse) {
      response.url = url;
      if (!response.settled && endsItsCall(response.status)) unread.watch(call, origin, response);
    }
    return response;
  };
}

/** A streamed body that remembers whether it was its source that failed, and nothing else. */
class Upload {
  readonly stream: ReadableStream<Uint8Array>;
  #failed = false;
  #error: unknown;

  constructor(source: ReadableStream<Uint8Array>) {
    const reader = source.getReader();
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await reader.read().catch((error) => {
            this.#failed = true;
            this.#error = error;
            throw error;
          });
          if (chunk.done) controller.close();
          else controller.enqueue(chunk.value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }

  failureOf(call: Call): MeshError | undefined {
    if (!this.#failed) return undefined;
    return new MeshError("ERR_CANCELLED", `Cannot send the body to ${call.service}: its source failed`, {
      cause: this.#error,
    });
  }
}
