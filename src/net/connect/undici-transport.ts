import type { Dispatcher } from "undici";
import type { Call } from "../../core/call.ts";
import { systemClock } from "../../core/clock.ts";
import { MeshError, TransportError, type TransportFault } from "../../core/errors.ts";
import { placeOf } from "../../rest/fetch-errors.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "../../rest/http-transport.ts";
import { TransportResponse } from "../../rest/transport-response.ts";
import { faultOf, faultOfConnect, reasonOf } from "../platform/socket-fault.ts";
import type { ConnectOptions } from "../port.ts";
import { checkTls } from "../tls/check-tls.ts";
import { silentRefusal, type TlsTarget, tlsFailure, tlsRequired } from "../tls/client-failure.ts";
import { explain, isVague, mayWantTls } from "../tls/explain.ts";
import { refuseCleartext } from "../tls/server-check.ts";
import { expectsTls, tlsErrorIn } from "../tls/tls-failure.ts";
import type { Agents, WatchedConnection, WatchedHandler } from "./undici-agent.ts";
import { ResponseBody } from "./undici-body.ts";

type NodeHeaders = Record<string, string | string[] | undefined>;

/** The headers of a response over undici's own object. */
class NodeHeadersView implements Iterable<readonly [string, string]> {
  readonly #headers: NodeHeaders;

  constructor(headers: NodeHeaders) {
    this.#headers = headers;
  }

  get(name: string): string | null {
    const value = this.#headers[name];
    return typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : null;
  }

  *[Symbol.iterator](): IterableIterator<readonly [string, string]> {
    for (const [name, value] of Object.entries(this.#headers)) {
      if (typeof value === "string") yield [name, value];
      else if (value !== undefined) for (const each of value) yield [name, each];
    }
  }
}

class UndiciResponse extends TransportResponse {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, status: number, headers: NodeHeadersView, bodyless: boolean) {
    super(exchange.call, status, headers, bodyless);
    this.#exchange = exchange;
  }

  /** A body that has arrived holds no connection, read or not. */
  override get holdsUnread(): boolean {
    return super.holdsUnread && !this.#exchange.body.ended;
  }

  protected override readText(maxBytes: number): Promise<string> {
    return this.#exchange.body.text(maxBytes);
  }

  protected override readBytes(maxBytes: number): Promise<Uint8Array> {
    return this.#exchange.body.bytes(maxBytes);
  }

  protected override openBody(): ReadableStream<Uint8Array> {
    return this.#exchange.body.stream();
  }

  protected override abort(reason: unknown): void {
    this.#exchange.abort(reason);
  }

  protected override release(): void {}

  protected override translate(error: unknown): unknown {
    return this.#exchange.translate(error, "read the response of");
  }
}

/** One request on its way through undici, which calls it back by these names. */
class Exchange implements WatchedHandler {
  connection: WatchedConnection | undefined = undefined;
  readonly call: Call;
  readonly body: ResponseBody = new ResponseBody();
  readonly #request: HttpRequest;
  readonly #origin: string;
  readonly #options: ConnectOptions;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #detach: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #aborted = false;
  #reason: unknown;
  #responded = false;

  constructor(
    call: Call,
    request: HttpRequest,
    origin: string,
    options: ConnectOptions,
    resolve: (response: HttpResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.call = call;
    this.#request = request;
    this.#origin = origin;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#detach = call.onCancel((reason) => {
      reject(reason);
      this.abort(reason);
    });
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    // Before it has a connection there is no controller yet: it is told as soon as there is one.
    if (!this.body.ended) this.#controller?.abort(asError(reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(asError(this.#reason));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: NodeHeaders): void {
    if (status < 200) return;
    this.#responded = true;
    this.#detach();
    this.body.controller = controller;
    const bodyless =
      this.#request.method === "HEAD" ||
      status === 204 ||
      status === 205 ||
      status === 304 ||
      headers["content-length"] === "0";
    const view = new NodeHeadersView(headers);
    this.#resolve(new UndiciResponse(this, status, view, bodyless).attach());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.body.push(chunk);
  }

  onResponseEnd(): void {
    this.connection?.finished(false);
    this.body.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.connection?.finished(!this.#responded && !this.#aborted && this.#controller !== undefined);
    if (this.#responded) {
      this.body.fail(error);
      return;
    }
    this.#detach();
    if (this.#aborted) this.#reject(this.#reason);
    // It never rejects.
    else if (isVague(error) || this.#mayWantTls(error)) void this.#explain(error);
    else this.#reject(this.translate(error, "reach"));
  }

  #mayWantTls(error: Error): boolean {
    return this.#controller !== undefined && mayWantTls(this.#target, faultOf(error));
  }

  get #target(): TlsTarget {
    return { origin: this.#origin, tls: this.#options.tls, server: this.call.endpoint?.tls };
  }

  async #explain(error: Error): Promise<void> {
    const { clock = systemClock } = this.#options;
    const stop = this.call.onCancel(this.#reject);
    const told = await explain(error, this.#target, clock);
    stop();
    this.#reject(this.translate(told, "reach"));
  }

  translate(error: unknown, doing: string): unknown {
    // It is given its controller just before it is written.
    const fault = this.#controller === undefined ? faultOfConnect(error) : faultOf(error);
    if (fault === undefined) return error;
    const what = `Cannot ${doing} ${placeOf(this.call, this.#origin)}`;
    return this.#failureOfTls(what, error, fault) ?? plainFailure(what, error, fault);
  }

  /** What is known of TLS that failed, or that there should have been; undefined where it is not to blame. */
  #failureOfTls(what: string, error: unknown, fault: TransportFault): TransportError | undefined {
    const ofTls = tlsErrorIn(error);
    if (ofTls !== undefined) return tlsFailure(what, this.#target, ofTls.reason, ofTls.error);
    const { data } = error as { data?: unknown };
    const isCleartext = this.#origin.startsWith("http:");
    if (isCleartext && typeof data === "string" && expectsTls(Buffer.from(data, "latin1"))) {
      return tlsRequired(what, this.#origin, error);
    }
    if (isCleartext || this.#responded || (fault !== "closed" && fault !== "reset")) return undefined;
    return silentRefusal(what, this.#target, fault, error);
  }
}

function plainFailure(what: string, error: unknown, fault: TransportFault): TransportError {
  return new TransportError(fault, `${what}: ${reasonOf(error)}`, { cause: error });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("The call was cancelled", { cause: reason });
}

/**
 * The HTTP transport on undici's dispatcher, beneath `fetch` and `request`: both build streams and signals for
 * every response, of which a small one needs none.
 *
 * It sets no time limits of its own except for connecting: how long an exchange may take is the call's
 * deadline to say.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function openHttpTransport(options: ConnectOptions): HttpTransport {
  const { tls, maxConnectionsPerEndpoint: connections } = options;
  if (!Number.isInteger(connections) || connections < 1) {
    throw new RangeError(
      `Cannot open an HTTP transport: maxConnectionsPerEndpoint is ${connections}, it must be a whole number from 1`,
    );
  }
  if (tls !== undefined) checkTls(tls);
  let agents: Agents | undefined;
  let opening: Promise<Agents> | undefined;
  let closing: Promise<void> | undefined;

  /** undici takes longer to load than all the rest: a program that only serves does without. */
  async function open(): Promise<Agents> {
    const { Agents: Opened } = await import("./undici-agent.ts");
    agents = new Opened(options);
    return agents;
  }

  return {
    send(call, request) {
      return new Promise((resolve, reject) => {
        call.throwIfCancelled();
        if (closing !== undefined) {
          throw new MeshError("ERR_SHUTTING_DOWN", `Cannot call ${call.service}: the client has been closed`);
        }
        const { url, method, headers, body } = request;
        const start = url.indexOf("/", url.indexOf("://") + 3);
        const origin = start === -1 ? url : url.slice(0, start);
        const path = start === -1 ? "/" : url.slice(start);
        const server = call.endpoint?.tls;
        if (server !== undefined) refuseCleartext(origin, server);
        const exchange = new Exchange(call, request, origin, options, resolve, reject);
        const dispatched: Dispatcher.DispatchOptions = {
          origin,
          path,
          method: method as Dispatcher.HttpMethod,
          headers,
          body: (body ?? null) as Dispatcher.DispatchOptions["body"] & {},
        };
        if (agents !== undefined) {
          agents.of(server).dispatch(dispatched, exchange);
          return;
        }
        opening ??= open();
        opening
          .then((opened) => {
            if (!exchange.aborted) opened.of(server).dispatch(dispatched, exchange);
          })
          .catch(reject);
      });
    },
    close() {
      closing ??= opening === undefined ? Promise.resolve() : opening.then((opened) => opened.close());
      return closing;
    },
  };
}
