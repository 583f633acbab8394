import { type Call, type CallKey, callKey } from "../core/call.ts";
import { endWithError } from "../core/classifier.ts";
import { compose, type Layer, type Service } from "../core/service.ts";

/** How the responses of one protocol end, where it was not a transport alone that made them. */
export interface UserLayerDialect<Res> {
  /** Sees to it that the call ends with a response that a layer made by itself, and returns that response. */
  readonly adopt: (call: Call, response: Res) => Res;
  /** Says of a response that the call ends later: it may be made of one that is still under way. */
  readonly follow: (call: Call, response: Res) => Res;
}

/** One time that the layers called `next`. */
interface Run {
  readonly call: Call;
  response: unknown;
}

const runsOf: CallKey<Run[] | undefined> = callKey("runs", undefined);

/**
 * Layers of which nothing is known: they may respond by themselves, call `next` again or never, come to an end late or
 * not at all. Whatever they do, the call ends once, and so does each run of what is inside of them.
 *
 * Each run is a fork of the call, so that a second one has a deadline, a cancellation and an outcome of its own although
 * the first is over. The call ends as the run does whose response is returned.
 */
export function userLayers<Req, Res>(
  layers: readonly Layer<Req, Res>[],
  dialect: UserLayerDialect<Res>,
): Layer<Req, Res> {
  function settle(call: Call, runs: readonly Run[], response: Res): Res {
    const returned = runs.find((run) => run.response === response);
    const source =
      returned ?? runs.findLast((run) => run.response !== undefined && run.call.outcome === undefined);
    if (source === undefined) return dialect.adopt(call, response);
    source.call.onEnd((outcome) => call.end(outcome));
    return returned === undefined ? dialect.follow(call, response) : response;
  }

  /** As the last run failed, unless that went well, and the layers alone are to blame. */
  function fail(call: Call, runs: readonly Run[], error: unknown): void {
    const outcome = runs.at(-1)?.call.outcome;
    if (call.cancelled || outcome === undefined || outcome.kind === "success") endWithError(call, error);
    else call.end(outcome);
  }

  return (next) => {
    const run: Service<Req, Res> = async (call, request) => {
      const fork = call.fork(call.attempt);
      fork.endpoint = call.endpoint;
      const own: Run = { call: fork, response: undefined };
      call.get(runsOf)?.push(own);
      try {
        const response = await next(fork, request);
        own.response = response;
        return response;
      } catch (error) {
        endWithError(fork, error);
        throw error;
      }
    };
    const service = compose(...layers)(run);
    return (call, request) => {
      const runs: Run[] = [];
      call.set(runsOf, runs);
      return new Promise<Res>((resolve, reject) => {
        const failed = (error: unknown): void => {
          fail(call, runs, error);
          reject(error);
        };
        // Layers that do not listen must not keep it from ending.
        const leave = call.onCancel(failed);
        const result = (async () => service(call, request))();
        result.then((response) => resolve(settle(call, runs, response))).then(leave, failed);
      });
    };
  };
}
