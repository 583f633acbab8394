import { type Classifier, pending } from "../core/classifier.ts";
import { outcomeOfError, outcomeOfStatus } from "../http/status-outcome.ts";
import type { HttpResponse } from "./http-transport.ts";

/** Whether the outcome is known by the status alone, before the body has come. */
export function endsItsCall(status: number): boolean {
  return status >= 500 || status === 429;
}

/**
 * The classifier of every HTTP exchange.
 *
 * A status of 429 or from 500 on is a verdict at once, so that retry can act on it. Below that the server
 * did its work when the body has arrived: until then the answer is `pending`.
 */
export const httpClassifier: Classifier<HttpResponse> = {
  response(_call, response) {
    const { status } = response;
    if (response.settled === false && !endsItsCall(status)) return pending;
    return outcomeOfStatus(status, response.headers);
  },
  error: outcomeOfError,
};
