import type { Agent, Dispatcher } from "undici";
import type { Call } from "../../core/call.ts";
import { MeshError, TransportError } from "../../core/errors.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "../../rest/http-transport.ts";
import { TransportResponse } from "../../rest/transport-response.ts";
import { faultOf, faultOfConnect } from "../platform/socket-fault.ts";
import type { ConnectOptions } from "../port.ts";
import { checkTlsIdentity } from "../tls/tls-identity.ts";
import type { WatchedConnection, WatchedHandler } from "./undici-agent.ts";
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
    resolve: (response: HttpResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.call = call;
    this.#request = request;
    this.#origin = origin;
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
    this.#reject(this.#aborted ? this.#reason : this.translate(error, "reach"));
  }

  translate(error: unknown, doing: string): unknown {
    // It is given its controller just before it is written.
    const fault = this.#controller === undefined ? faultOfConnect(error) : faultOf(error);
    if (fault === undefined) return error;
    const message = `Cannot ${doing} ${this.call.service} at ${this.#origin}: ${(error as Error).message}`;
    return new TransportError(fault, message, { cause: error });
  }
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
  if (tls !== undefined) checkTlsIdentity(tls);
  let agent: Agent | undefined;
  let opening: Promise<Agent> | undefined;
  let closing: Promise<void> | undefined;

  /** undici takes longer to load than all the rest: a program that only serves does without. */
  async function open(): Promise<Agent> {
    const { openAgent } = await import("./undici-agent.ts");
    agent = openAgent(options);
    return agent;
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
        const exchange = new Exchange(call, request, origin, resolve, reject);
        const options: Dispatcher.DispatchOptions = {
          origin,
          path,
          method: method as Dispatcher.HttpMethod,
          headers,
          body: (body ?? null) as Dispatcher.DispatchOptions["body"] & {},
        };
        if (agent !== undefined) {
          agent.dispatch(options, exchange);
          return;
        }
        opening ??= open();
        opening
          .then((opened) => {
            if (!exchange.aborted) opened.dispatch(options, exchange);
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
