import { clientGone } from "../http2/exchange.ts";
import { internalError, NativeConnection, realResponse } from "../http2/native-answer.ts";
import type { OpenPort } from "../http2/open-port.ts";
import type { ListenOptions } from "../port.ts";

interface ServeInfo {
  readonly remoteAddr: { readonly hostname?: string };
}

/** The part of Deno's API that this file uses; the project's types are Node's. */
declare const Deno: {
  serve(options: {
    readonly hostname: string;
    readonly port: number;
    readonly cert?: string;
    readonly key?: string;
    readonly automaticCompression: boolean;
    readonly signal: AbortSignal;
    readonly onListen: () => void;
    readonly onError: (error: unknown) => Response;
    readonly handler: (request: Request, info: ServeInfo) => Response | Promise<Response>;
  }): {
    readonly addr: { readonly port: number };
    readonly finished: Promise<void>;
    shutdown(): Promise<void>;
  };
};

/** Where a request keeps its {@link RequestSignal}. */
const served: unique symbol = Symbol("served");

interface ServedRequest extends Request {
  [served]?: RequestSignal;
}

/**
 * The signal that handlers expect, made when one asks for it: it aborts when the client vanishes before the
 * answer. (When it vanishes later, the body of the answer is cancelled.) Deno's own aborts after good answers
 * too, and says so once on the console.
 */
class RequestSignal {
  #controller: AbortController | undefined;
  #native: AbortSignal | undefined;
  #answered = false;
  readonly #abort = (): void => this.#controller?.abort(clientGone());

  of(request: Request): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#answered) return this.#controller.signal;
      this.#native = nativeSignal!.call(request);
      if (this.#native.aborted) this.#abort();
      else this.#native.addEventListener("abort", this.#abort);
    }
    return this.#controller.signal;
  }

  /** The handler has answered: what Deno's signal says from here on means nothing. */
  answered(): void {
    this.#answered = true;
    this.#native?.removeEventListener("abort", this.#abort);
  }
}

let nativeSignal: ((this: Request) => AbortSignal) | undefined;

/**
 * Lets requests that a native server hands out answer with their own signal. A property on each request would
 * do it too, but a getter of its own gives every request a shape of its own, and so takes a third of the speed.
 */
function installRequestSignals(): void {
  if (nativeSignal !== undefined) return;
  const native = Object.getOwnPropertyDescriptor(Request.prototype, "signal")!;
  nativeSignal = native.get as typeof nativeSignal;
  Object.defineProperty(Request.prototype, "signal", {
    ...native,
    get(this: ServedRequest) {
      return this[served]?.of(this) ?? nativeSignal!.call(this);
    },
  });
}

/** Why a request failed whose server was ended. */
const ended: Error = new Error("The server was ended");

/** How long connections may take to close, in milliseconds. */
const flushMs = 1_000;

/**
 * Opens a port with `Deno.serve`: about twice as fast as its `node:http`, and without client certificates,
 * which it neither demands nor shows; where those are asked for the answer is undefined.
 *
 * Requests are counted until their handler has answered; a drain waits for the bodies too.
 */
export function openNative(options: ListenOptions, port: number): Promise<OpenPort> | undefined {
  const { tls, hostname, fetch } = options;
  if (tls !== undefined && tls.clientAuth !== "none") return undefined;
  let inFlight = 0;
  const stop = new AbortController();
  installRequestSignals();

  /** Those whose handlers have not answered yet: a server that is shutting down ends with them. */
  const waiting = new Set<(reason: unknown) => void>();

  function settle(response: Promise<Response>, signal: RequestSignal): Promise<Response> {
    return new Promise((resolve, reject) => {
      waiting.add(reject);
      const over = (): void => {
        waiting.delete(reject);
        inFlight--;
        signal.answered();
      };
      response.then(
        (value) => {
          over();
          try {
            resolve(realResponse(value));
          } catch (error) {
            reject(error);
          }
        },
        (error: unknown) => {
          over();
          reject(error);
        },
      );
    });
  }

  return Promise.resolve().then(() => {
    const server = Deno.serve({
      hostname,
      port,
      ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }),
      automaticCompression: false,
      signal: stop.signal,
      onListen() {},
      onError(error) {
        if (error !== ended) options.onHandlerError?.(error);
        return internalError();
      },
      handler(request, info) {
        const connection = new NativeConnection(tls !== undefined, () => info.remoteAddr.hostname);
        const signal = new RequestSignal();
        (request as ServedRequest)[served] = signal;
        inFlight++;
        let response: Response | Promise<Response>;
        try {
          response = fetch(request, connection);
        } catch (error) {
          inFlight--;
          throw error;
        }
        if (response instanceof Promise) return settle(response, signal);
        inFlight--;
        signal.answered();
        return realResponse(response);
      },
    });
    let draining = false;
    let finished = false;
    const finish = (): void => {
      finished = true;
    };
    server.finished.then(finish, finish);
    return {
      port: server.addr.port,
      get inFlight() {
        return inFlight;
      },
      drain() {
        draining = true;
        return server.shutdown();
      },
      async destroy() {
        // A server that shuts down has no resource left to close: Deno throws from its own listener on the signal, where
        // nobody can catch it.
        if (draining) for (const end of [...waiting]) end(ended);
        else if (!finished) stop.abort();
        let timer: ReturnType<typeof setTimeout> | undefined;
        const late = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, flushMs);
        });
        await Promise.race([server.finished, late]).catch(() => {});
        clearTimeout(timer);
      },
    };
  });
}
