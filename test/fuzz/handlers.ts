import { type Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { type EchoRequest, EchoService } from "../gen/test/v1/echo_pb.ts";

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const step = (left: number): void => {
      if (left === 0) resolve();
      else setImmediate(() => step(left - 1));
    };
    step(count);
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason));
  });
}

const bytes = new Uint8Array(5_000).fill(0x61);

/** A stream of so many pieces, which then ends, fails or hangs. */
function streamOf(pieces: number, end: "closes" | "fails" | "hangs", piece: unknown = bytes): ReadableStream {
  let left = pieces;
  return new ReadableStream({
    async pull(controller) {
      if (left % 2 === 1 && pieces < 1_000) await turns(1);
      if (left-- > 0) controller.enqueue(piece);
      else if (end === "closes") controller.close();
      else if (end === "fails") throw new Error("The source failed");
      else await new Promise(() => {});
    },
    cancel() {
      if (pieces === 3) throw new Error("The source cannot be cancelled");
    },
  });
}

const stale = new Response(streamOf(2, "closes"));

type Handler = (request: Request) => unknown;

/** What handlers do, right and wrong, by path. */
export const handlers: Readonly<Record<string, Handler>> = {
  "/text": () => new Response("text"),
  "/json": async () => Response.json({ a: 1 }),
  "/echo": async (request) => new Response(await request.text()),
  "/bytes": async (request) => new Response(await request.arrayBuffer()),
  "/pipe": (request) => new Response(request.body),
  "/headers": (request) => new Response("", { headers: request.headers }),
  "/late-headers": async (request) => {
    await turns(2);
    return new Response(request.body, { headers: request.headers });
  },
  "/throws": () => {
    throw new Error("thrown");
  },
  "/rejects": async () => {
    await turns(1);
    throw undefined;
  },
  "/never": () => new Promise(() => {}),
  "/until-gone": (request) => aborted(request.signal),
  "/nothing": () => undefined,
  "/no-response": async () => ({ status: 200 }),
  "/error": () => Response.error(),
  "/twice": () => stale,
  "/stream": () => new Response(streamOf(5, "closes")),
  // Its source never waits.
  "/long": () => new Response(streamOf(2_000, "closes")),
  "/hangs": () => new Response(streamOf(1, "hangs")),
  "/silent": () => new Response(streamOf(0, "hangs")),
  "/fails-at-once": () => new Response(streamOf(0, "fails")),
  "/fails-late": () => new Response(streamOf(3, "fails")),
  "/strings": () => new Response(streamOf(3, "closes", "a string")),
  "/too-long": () => new Response(streamOf(3, "closes"), { headers: { "content-length": "100" } }),
  "/too-short": () => new Response(streamOf(1, "closes"), { headers: { "content-length": "9999" } }),
  "/odd-length": () => new Response(streamOf(1, "closes"), { headers: { "content-length": "1e3" } }),
  "/large": () => new Response(new Uint8Array(1_000_000)),
  "/empty": () => new Response(null, { status: 204, headers: { "content-length": "5" } }),
  "/hop-by-hop": () =>
    new Response("a", {
      headers: { connection: "close, upgrade", upgrade: "h2c", "transfer-encoding": "gzip" },
    }),
  "/twice-read": async (request) => new Response((await request.text()) + (await request.text())),
  "/first-piece": async (request) => {
    const reader = request.body?.getReader();
    await reader?.read();
    return new Response("early");
  },
  "/cancels": async (request) => {
    await request.body?.cancel(new Error("enough"));
    return new Response("cancelled");
  },
  "/slowly": async (request) => {
    let size = 0;
    for await (const piece of request.body ?? []) {
      size += piece.length;
      await turns(2);
    }
    return new Response(String(size));
  },
  "/reads-on": (request) => {
    request.arrayBuffer().catch(() => {});
    return new Response("before the body");
  },
  "/clones": async (request) => new Response(await request.clone().text()),
  "/parses": async (request) => Response.json(await request.json()),
  "/form": async (request) => new Response(String((await request.formData()).get("a"))),
};

export const paths: readonly string[] = Object.keys(handlers);

/** Handles what hostile clients ask for; `/steady` is for those that are not. */
export function handle(request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url);
  const handler = handlers[pathname] ?? handlers["/echo"]!;
  return handler(request) as Response;
}

async function nasty(request: EchoRequest, context: HandlerContext): Promise<void> {
  const { fail, text } = request;
  context.responseHeader.set("x-length", String(text.length));
  if (fail === 0) return;
  if (fail === 21) throw "no error at all";
  if (fail === 18) await aborted(context.signal);
  if (fail === 19) await turns(3);
  if (fail === 20) throw null;
  const error = new ConnectError(text, fail as Code);
  if (fail === 3) Object.defineProperty(error, "metadata", { value: null });
  if (fail === 4) error.metadata.set("x-echo", encodeURIComponent(text));
  throw error;
}

/** An EchoService that does what a request asks for, and ends when its client has gone. */
export function nastyRoutes(router: ConnectRouter): void {
  const unary = async (request: EchoRequest, context: HandlerContext): Promise<object> => {
    await nasty(request, context);
    return { text: request.text, payload: request.payload };
  };
  router.service(EchoService, {
    echo: unary,
    get: unary,
    put: unary,
    async *expand(request, context) {
      for (let index = 0; index < Math.min(request.count, 200); index++) {
        context.signal.throwIfAborted();
        if (index % 10 === 9) await turns(1);
        yield { text: request.text, index };
      }
      await nasty(request, context);
    },
    async collect(requests, context) {
      let index = 0;
      for await (const request of requests) {
        index++;
        await nasty(request, context);
        if (request.count === 4) break;
      }
      return { text: "", index };
    },
    async *chat(requests, context) {
      let index = 0;
      for await (const request of requests) {
        yield { text: request.text, index: index++ };
        await nasty(request, context);
      }
    },
  });
}
