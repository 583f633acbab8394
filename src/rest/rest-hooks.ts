import type { Call } from "../core/call.ts";
import { checkFunction, checkOptions, type OptionKeys } from "../core/options.ts";
import { type Outcome, outcome } from "../core/outcome.ts";
import type { Layer } from "../core/service.ts";
import { type UserLayerDialect, userLayers } from "../policy/user-layers.ts";
import { httpErrorFrom } from "./http-error.ts";
import type { HttpResponse } from "./http-transport.ts";
import { KeptResponse } from "./kept-response.ts";
import { addHeaders } from "./request-headers.ts";
import { nameOf, type RequestHooks, type RestRequest, type SentRequest } from "./rest-request.ts";
import { RestResponse } from "./rest-response.ts";
import { discardResponse, isShort } from "./transport-response.ts";

/** A request as hooks see it. */
export interface HookRequest {
  readonly method: string;
  readonly service: string;
  /** Path and query, from the slash on. */
  readonly target: string;
  /** What a hook changes here is sent with this attempt and those that follow. */
  readonly headers: Headers;
}

/** What every hook is told. */
export interface HookContext {
  readonly request: HookRequest;
  /** 0 for the first attempt. */
  readonly retryCount: number;
  /** The attempt; the whole call for `beforeError`. */
  readonly call: Call;
}

/** A response in place of the one that the service sent, or would have sent; nothing leaves it. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that returns nothing is of this type
export type HookResponse = Response | RestResponse | undefined | void;

/** An error in place of the one that there is; nothing leaves it. */
// biome-ignore lint/suspicious/noConfusingVoidType: the same
export type HookError = Error | undefined | void;

/**
 * What is done around the requests of one REST client, hook after hook; each is waited for, within the call's deadline. One
 * that throws ends the call with that error, without another attempt.
 */
export interface RestHooks {
  /** Before each attempt; a response that it returns takes the place of the attempt. */
  readonly beforeRequest?: readonly ((context: HookContext) => HookResponse | Promise<HookResponse>)[];
  /** Before each attempt but the first, when the wait for it is over and ahead of `beforeRequest`: told why the one before failed. */
  readonly beforeRetry?: readonly ((
    context: HookContext & { readonly error: unknown },
  ) => void | Promise<void>)[];
  /**
   * After each response, whatever its status, ahead of the decision on another attempt. A body that a hook reads whole
   * (`json()`, `text()`) can be read again by the others and the caller. What it returns takes the response's place.
   */
  readonly afterResponse?: readonly ((
    context: HookContext & { readonly response: RestResponse },
  ) => HookResponse | Promise<HookResponse>)[];
  /** Before the caller is told of an error; one that is returned takes its place. */
  readonly beforeError?: readonly ((
    context: HookContext & { readonly error: unknown },
  ) => HookError | Promise<HookError>)[];
}

const knownHooks: OptionKeys<RestHooks> = {
  beforeRequest: true,
  beforeRetry: true,
  afterResponse: true,
  beforeError: true,
};

/** @throws TypeError when they are no lists of functions, or there is no such hook */
export function checkHooks(who: string, hooks: RestHooks | undefined): void {
  if (hooks === undefined) return;
  checkOptions(`the hooks of ${who}`, hooks, knownHooks);
  for (const [name, list] of Object.entries(hooks)) {
    if (list === undefined) continue;
    if (!Array.isArray(list)) {
      throw new TypeError(`Cannot make the hooks of ${who}: ${name} is no array; put the hook in brackets`);
    }
    for (const [index, hook] of list.entries()) {
      checkFunction(`the hooks of ${who}`, `${name}[${index}]`, hook ?? null);
    }
  }
}

/** Those of a client, and then those of a request or of a client that extends it. */
export function mergeHooks(first: RestHooks | undefined, then: RestHooks | undefined): RestHooks | undefined {
  if (first === undefined || then === undefined) return then ?? first;
  const merged: Record<string, readonly unknown[]> = {};
  for (const name of Object.keys(knownHooks) as (keyof RestHooks)[]) {
    merged[name] = [...(first[name] ?? []), ...(then[name] ?? [])];
  }
  return merged;
}

/** What a hook returned, as far as it is a response: one that is a single expression may return anything. */
function responseOf(returned: unknown): HttpResponse | undefined {
  if (typeof returned !== "object" || returned === null) return undefined;
  if (returned instanceof Request) {
    throw new TypeError(
      "A hook returned a Request; change the headers of the one that it is given, or return a Response",
    );
  }
  const { status, text } = returned as Partial<HttpResponse>;
  // Both a platform's `Response` and a `RestResponse` have all of it.
  return typeof status === "number" && typeof text === "function" ? (returned as HttpResponse) : undefined;
}

const hookFailed: Outcome = outcome("failure", "error");

/** The hooks of one call, and what they have to know of its attempts. */
export class HookRun implements RequestHooks {
  readonly #hooks: RestHooks;
  readonly #sentRequest: SentRequest;
  /** As it came to the hooks, and as they have it. */
  #given: RestRequest | undefined;
  #request: HookRequest;
  #retryCount = 0;
  /** How the attempt before failed, where anybody wants to know. */
  #failure: (() => unknown) | undefined;

  constructor(hooks: RestHooks, sentRequest: SentRequest) {
    this.#hooks = hooks;
    this.#sentRequest = sentRequest;
    this.#request = this.#shown(sentRequest.request);
  }

  #shown({ method, target, headers }: RestRequest): HookRequest {
    return { method, service: this.#sentRequest.call.service, target, headers: new Headers(headers) };
  }

  /** One attempt with its hooks. */
  async attempt(
    next: (request: RestRequest) => HttpResponse | Promise<HttpResponse>,
    call: Call,
    request: RestRequest,
  ): Promise<HttpResponse> {
    // A layer around the call may send it anew, and differently.
    if (this.#given !== request) {
      this.#given = request;
      this.#request = this.#shown(request);
    }
    this.#retryCount = call.attempt - 1;
    const context: HookContext = { request: this.#request, retryCount: this.#retryCount, call };
    const failure = this.#failure;
    this.#failure = undefined;
    if (this.#retryCount > 0 && failure !== undefined) {
      for (const hook of this.#hooks.beforeRetry ?? []) await run(hook, { ...context, error: failure() });
    }
    for (const hook of this.#hooks.beforeRequest ?? []) {
      const response = responseOf(await run(hook, context));
      if (response !== undefined) return response;
    }
    const headers: Record<string, string> = {};
    addHeaders(`Cannot call ${call.service}`, headers, this.#request.headers);
    let response: HttpResponse;
    try {
      response = await next({ ...request, headers });
    } catch (error) {
      this.#failure = () => error;
      throw error;
    }
    const after = await this.#after(context, response);
    this.#failure = () => this.#errorOf(after);
    return after;
  }

  async #after(context: HookContext, received: HttpResponse): Promise<HttpResponse> {
    let response = received;
    for (const hook of this.#hooks.afterResponse ?? []) {
      const kept = new KeptResponse(response);
      const shown = new RestResponse(this.#sentRequest, kept);
      let other: HttpResponse | undefined;
      try {
        other = responseOf(await run(hook, { ...context, response: shown }));
      } catch (error) {
        if (!kept.used) discardResponse(response);
        throw error;
      }
      if (other !== undefined && other !== shown) {
        if (!kept.used) await letGo(response);
        response = other;
      } else if (kept.used) response = kept;
    }
    return response;
  }

  /** The error of a response that is given up unread. */
  #errorOf(response: HttpResponse): unknown {
    const bare = new RestResponse(this.#sentRequest, response, new Uint8Array(0));
    return httpErrorFrom(nameOf(this.#sentRequest), bare, "");
  }

  /** The error that the caller is told. */
  async errorFor(given: unknown): Promise<unknown> {
    const { call } = this.#sentRequest;
    let error = given;
    for (const hook of this.#hooks.beforeError ?? []) {
      const context = { request: this.#request, retryCount: this.#retryCount, call, error };
      const other = await hook(context);
      if (other instanceof Error) error = other;
    }
    return error;
  }
}

/** Runs a hook; the attempt has failed for good when it throws, whatever it throws. */
async function run<C extends HookContext, R>(hook: (context: C) => R, context: C): Promise<Awaited<R>> {
  try {
    return await hook(context);
  } catch (error) {
    context.call.end(hookFailed);
    throw error;
  }
}

/** Gives up a response for another one; its connection is free again after that, or closed. */
async function letGo(response: HttpResponse): Promise<void> {
  if (isShort(response)) await response.bytes().catch(() => {});
  else discardResponse(response);
}

/** The layer that runs the hooks of a request, around each attempt; a request without any passes by. */
export function restHooks(dialect: UserLayerDialect<HttpResponse>): Layer<RestRequest, HttpResponse> {
  const layer: Layer<RestRequest, HttpResponse> = (next) => (call, request) =>
    request.hooks === undefined
      ? next(call, request)
      : request.hooks.attempt((changed) => next(call, changed), call, request);
  const careful = userLayers([layer], dialect);
  return (next) => {
    const hooked = careful(next);
    return (call, request) => (request.hooks === undefined ? next(call, request) : hooked(call, request));
  };
}
