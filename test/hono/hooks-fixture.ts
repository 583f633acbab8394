import type { Interceptor, ServiceImpl } from "@connectrpc/connect";
import type { MeshOptions } from "../../src/mesh/options.ts";
import type { AuthOptions } from "../../src/security/authenticate.ts";
import type { EchoService } from "../gen/test/v1/echo_pb.ts";
import type { Fault } from "../support/hostile-values.ts";

/** Some of a service's methods. */
export type Echo = Partial<ServiceImpl<typeof EchoService>>;

/** What a user of the mesh gives it, with a fault in one place. */
export interface Hooks {
  readonly service?: (fault: Fault) => Echo;
  readonly interceptors?: (fault: Fault) => Interceptor[];
  readonly auth?: (fault: Fault) => AuthOptions;
  readonly onError?: (fault: Fault) => MeshOptions["onError"];
  /** Which method shows the fault. */
  readonly method: "echo" | "expand";
}

/** Methods that do not fail. */
export const plain: Echo = {
  echo: ({ text }) => ({ text }),
  async *expand({ text }) {
    yield { text };
    yield { text };
  },
};

async function* twice(text: string, between: () => unknown): AsyncGenerator<{ text: string }> {
  yield { text };
  await between();
  yield { text };
}

/** An iterable by hand: generators make promises of whatever fails in them. */
export function iterable(
  next: () => Promise<IteratorResult<{ text: string }>>,
): AsyncIterable<{ text: string }> {
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** Not a promise, but something to wait for all the same. */
class Thenable {
  declare failed: Promise<undefined>;
  // biome-ignore lint/suspicious/noThenProperty: that is what it is for
  readonly then: Promise<undefined>["then"] = (...settled) => this.failed.then(...settled);
}

const done = { done: true, value: undefined } as const;

/** Where an RPC service can fail. */
export const rpcHooks: Readonly<Record<string, Hooks>> = {
  "a handler": {
    method: "echo",
    service: (fault) => ({ echo: ({ text }) => (fault.here() as never) ?? { text } }),
  },
  "a handler with a thenable of its own": {
    method: "echo",
    service: (fault) => ({
      echo({ text }) {
        const failed = fault.here();
        return failed === undefined ? { text } : (Object.assign(new Thenable(), { failed }) as never);
      },
    }),
  },
  "a stream before its first message": {
    method: "expand",
    service: (fault) => ({
      async *expand({ text }) {
        await fault.here();
        yield { text };
      },
    }),
  },
  "a stream after its first message": {
    method: "expand",
    service: (fault) => ({ expand: ({ text }) => twice(text, fault.here) }),
  },
  "a stream that is not begun": {
    method: "expand",
    service: (fault) => ({
      expand: ({ text }) => ({
        [Symbol.asyncIterator]: () => (fault.here() as never) ?? twice(text, () => {}),
      }),
    }),
  },
  "a stream that is none": {
    method: "expand",
    service: (fault) => ({ expand: ({ text }) => (fault.here() as never) ?? twice(text, () => {}) }),
  },
  "an iterator": {
    method: "expand",
    service: (fault) => ({ expand: () => iterable(() => (fault.here() as never) ?? Promise.resolve(done)) }),
  },
  "an interceptor before the handler": {
    method: "echo",
    interceptors: (fault) => [(next) => (request) => (fault.here() as never) ?? next(request)],
  },
  "an interceptor after the handler": {
    method: "echo",
    interceptors: (fault) => [
      (next) => async (request) => {
        const response = await next(request);
        await fault.here();
        return response;
      },
    ],
  },
  "an interceptor that is not begun": {
    method: "echo",
    interceptors: (fault) => [(next) => (fault.here() as never) ?? next],
  },
  "a validator of tokens": {
    method: "echo",
    auth: (fault) => ({
      cache: false,
      validate: () => (fault.here() as never) ?? { id: "somebody" },
    }),
  },
  "an authorisation": {
    method: "echo",
    auth: (fault) => ({ authorize: () => (fault.here() as never) ?? true }),
  },
};
