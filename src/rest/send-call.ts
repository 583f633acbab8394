import type { Call } from "../core/call.ts";
import { endWithError } from "../core/classifier.ts";
import { isTransportError } from "../core/errors.ts";
import type { Service } from "../core/service.ts";
import { markUpstream } from "../core/upstream.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import type { HttpResponse } from "./http-transport.ts";
import type { RestRequest } from "./rest-request.ts";

/** Sends the request of a call that was made here, and so sees to it that the call ends, whatever happens on the way. */
export async function sendCall(
  send: Service<RestRequest, HttpResponse>,
  call: Call,
  request: RestRequest,
): Promise<HttpResponse> {
  try {
    const response = await send(call, request);
    // A layer may respond by itself; no transport has ended the call then.
    if (call.outcome === undefined && response.settled !== false) {
      call.end(outcomeOfStatus(response.status, response.headers));
    }
    return response;
  } catch (error) {
    endWithError(call, error);
    throw isTransportError(error) ? markUpstream(error) : error;
  }
}
