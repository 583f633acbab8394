import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { isMeshError, MeshError, TransportError, type TransportFault } from "../core/errors.ts";
import { ignoreRejection } from "../core/hooks.ts";
import type { ServerIdentity } from "../core/identity.ts";
import { decodedHeaders } from "./decoded-headers.ts";
import { noResponse, wordsOf } from "./fetch-errors.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "./http-transport.ts";
import { gather } from "./response-limit.ts";
import { Semaphore } from "./semaphore.ts";
import { StaleConnections } from "./stale-connections.ts";
import { TransportResponse } from "./transport-response.ts";

/** The part of the platform's `fetch` that the transport uses; a handler function or a service binding fits too. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response> | Response;

/** Options of {@link createFetchTransport}. */
export interface FetchTransportOptions {
  /** What sends: the platform's `fetch`, a certificate binding's, or a handler in the same process. */
  readonly fetch: FetchFunction;
  /** How the connection failed, from whatever `fetch` raised; undefined for an error of another kind, which is shown as it is. */
  readonly faultOf: (error: unknown) => TransportFault | undefined;
  /** What goes into every `RequestInit` besides, such as Bun's `tls`. */
  readonly init?: Readonly<Record<string, unknown>>;
  /** What goes into the `RequestInit` instead of `init` for a server that must be somebody; may throw. @default nobody looks */
  readonly initFor?:
    | ((server: ServerIdentity, origin: string) => Readonly<Record<string, unknown>>)
    | undefined;
  /**
   * Finds out more about a failure, where that takes a while; undefined when there is no more to say.
   *
   * @default what `fetch` said
   */
  readonly explain?:
    | ((error: unknown, origin: string, call: Call) => Promise<unknown> | undefined)
    | undefined;
  /**
   * What goes into the `RequestInit` of a request that must not go over a connection of the pool, which may have been
   * closed by the other side meanwhile; left out where `fetch` knows no such thing.
   */
  readonly unpooled?: Readonly<Record<string, unknown>>;
  /**
   * With `unpooled`, a request that may not be repeated has a connection of its own when its origin was not called for so
   * long, in milliseconds, or has lost such a request lately.
   *
   * @default 4_000
   */
  readonly idleTimeoutMs?: number | undefined;
  /** @default systemClock */
  readonly clock?: Clock | undefined;
  /** Exchanges with one origin at once; those beyond wait in line. @default 100 */
  readonly maxConnectionsPerEndpoint?: number;
  /**
   * Whether `fetch` lets go of its signal when the exchange is over, so that the next one can use it: saves a
   * seventh of a request on Bun. Node's `fetch` does not.
   *
   * @default false
   */
  readonly reusesSignals?: boolean;
  /** Frees what stands behind `fetch`; called when the last exchange is over. */
  readonly close?: () => void | Promise<void>;
}

/**
 * Makes an HTTP transport of any `fetch`: redirects are responses, streams go both ways with back-pressure, and
 * cancelling the call ends the exchange.
 *
 * The response occupies its place among the `maxConnectionsPerEndpoint` until its body was read to the end or cancelled.
 */
export function createFetchTransport(options: FetchTransportOptions): HttpTransport {
  const { maxConnectionsPerEndpoint: limit = 100 } = options;
  if (!Number.isInteger(limit) || limit < 1) {
    throw new RangeError(
      `Cannot open an HTTP transport: maxConnectionsPerEndpoint is ${limit}, it must be a whole number from 1`,
    );
  }
  const { clock = systemClock, idleTimeoutMs = 4_000 } = options;
  const stale = options.unpooled === undefined ? undefined : new StaleConnections({ clock, idleTimeoutMs });
  const semaphore = new Semaphore(limit);
  const spare: AbortController[] | undefined = options.reusesSignals === true ? [] : undefined;
  let closing: Promise<void> | undefined;

  async function send(call: Call, request: HttpRequest): Promise<HttpResponse> {
    call.throwIfCancelled();
    if (closing !== undefined) {
      throw new MeshError("ERR_SHUTTING_DOWN", `Cannot call ${call.service}: the client has been closed`);
    }
    const origin = originOf(call, request.url);
    if (!semaphore.tryTake(origin)) await semaphore.wait(origin, call);
    const exchange = new Exchange(options, { semaphore, spare, stale }, call, origin);
    return exchange.run(request);
  }

  async function close(): Promise<void> {
    await semaphore.idle();
    await options.close?.();
  }

  return {
    send,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function originOf(call: Call, url: string): string {
  if (call.endpoint !== undefined) return call.endpoint.origin;
  const end = url.indexOf("/", 8);
  return end === -1 ? url : url.slice(0, end);
}

/** What the exchanges of a transport share. */
interface Shared {
  readonly semaphore: Semaphore;
  readonly spare: AbortController[] | undefined;
  readonly stale: StaleConnections | undefined;
}

/** One request on its way, and what it takes to stop it. */
class Exchange {
  readonly call: Call;
  readonly #options: FetchTransportOptions;
  readonly #shared: Shared;
  readonly #origin: string;
  // Not the call's own signal: that one is deaf once the call has ended, and a body can outlive it.
  readonly #controller: AbortController;

  constructor(options: FetchTransportOptions, shared: Shared, call: Call, origin: string) {
    this.#options = options;
    this.#shared = shared;
    this.#controller = shared.spare?.pop() ?? new AbortController();
    this.call = call;
    this.#origin = origin;
  }

  run(request: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      let over = false;
      const detach = this.call.onCancel((reason) => {
        if (over) return;
        over = true;
        this.abort(reason);
        this.release();
        reject(reason);
      });
      if (over) return;
      this.#fetch(request).then(
        (response) => {
          detach();
          if (over) {
            // A `fetch` that does not listen to its signal: nobody wants this response any more.
            ignoreRejection(response?.body?.cancel());
            return;
          }
          over = true;
          try {
            resolve(new FetchResponse(this, response, request.method).attach());
          } catch (cause) {
            this.release();
            reject(noResponse(this.call, cause));
          }
        },
        (error) => {
          detach();
          if (over) return;
          over = true;
          this.release();
          const fail = (told: unknown): void => {
            const shown = this.translate(told, "reach");
            this.#shared.stale?.failed(this.call, this.#origin, shown);
            reject(shown);
          };
          const explained = this.#options.explain?.(error, this.#origin, this.call);
          // A look takes a while, in which the call may be cancelled.
          const stop = explained && this.call.onCancel(reject);
          const end = (told: unknown): void => {
            stop?.();
            fail(told);
          };
          // What cannot be explained is told as it is.
          void (explained ?? Promise.resolve(error)).then(end, () => end(error));
        },
      );
    });
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  release(): void {
    const { semaphore, spare, stale } = this.#shared;
    if (!this.#controller.signal.aborted) spare?.push(this.#controller);
    stale?.used(this.#origin);
    semaphore.give(this.#origin);
  }

  translate(error: unknown, doing: "reach" | "read the response of"): unknown {
    if (isMeshError(error)) return error;
    const fault = this.#options.faultOf(error);
    if (fault === undefined) return error;
    const detail = error instanceof Error ? error.message : String(error);
    const message = `Cannot ${doing} ${this.call.service} at ${this.#origin}: ${wordsOf[fault]} (${detail})`;
    return new TransportError(fault, message, { cause: error });
  }

  #fetch(request: HttpRequest): Promise<Response> {
    try {
      const response = this.#options.fetch(request.url, this.#initOf(request));
      return response instanceof Promise ? response : Promise.resolve(response);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #initOf({ method, headers, body }: HttpRequest): RequestInit {
    const { init: every, initFor, unpooled } = this.#options;
    const server = this.call.endpoint?.tls;
    const init: RequestInit & { duplex?: "half" } = {
      ...(server === undefined ? every : initFor?.(server, this.#origin)),
      ...(this.#shared.stale?.avoids(this.call, this.#origin) === true ? unpooled : undefined),
      method,
      headers,
      redirect: "manual",
      signal: this.#controller.signal,
    };
    if (body !== undefined) {
      init.body = body as BodyInit;
      // Node refuses a stream without it.
      if (typeof body === "object" && !(body instanceof Uint8Array)) init.duplex = "half";
    }
    return init;
  }
}

class FetchResponse extends TransportResponse {
  readonly #exchange: Exchange;
  readonly #response: Response;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(exchange: Exchange, response: Response, method: string) {
    const { status, headers } = response;
    const bodyless =
      method === "HEAD" ||
      status === 204 ||
      status === 205 ||
      status === 304 ||
      headers.get("content-length") === "0";
    super(exchange.call, status, bodyless ? headers : decodedHeaders(headers), bodyless);
    this.#exchange = exchange;
    this.#response = response;
    // A body of zero bytes still holds a resource on some platforms.
    if (bodyless) response.body?.cancel().catch(() => {});
  }

  protected override readText(maxBytes: number): Promise<string> {
    if (this.#isBounded(maxBytes)) return this.#response.text();
    return this.#gather(maxBytes).then((bytes) => new TextDecoder().decode(bytes));
  }

  protected override readBytes(maxBytes: number): Promise<Uint8Array> {
    if (!this.#isBounded(maxBytes)) return this.#gather(maxBytes);
    return this.#response.arrayBuffer().then((buffer) => new Uint8Array(buffer));
  }

  /** The platform's own way to read is faster, but knows no limit; a body of a known length needs none. */
  #isBounded(maxBytes: number): boolean {
    return maxBytes === Infinity || this.headers.get("content-length") !== null;
  }

  #gather(maxBytes: number): Promise<Uint8Array> {
    const { body } = this.#response;
    if (body === null) return Promise.resolve(new Uint8Array(0));
    this.#reader = body.getReader();
    return gather(this.#reader, maxBytes);
  }

  protected override openBody(): ReadableStream<Uint8Array> | null {
    return this.#response.body;
  }

  protected override abort(reason: unknown): void {
    this.#exchange.abort(reason);
    // A handler in the same process does not listen to the signal of a request that it has responded to.
    const { body } = this.#response;
    const stream = this.#reader ?? (body?.locked === false ? body : undefined);
    stream?.cancel(reason).catch(() => {});
  }

  protected override release(): void {
    this.#exchange.release();
  }

  protected override translate(error: unknown): unknown {
    return this.#exchange.translate(error, "read the response of");
  }
}
