import { Code, ConnectError } from "@connectrpc/connect";

/** What no response may ever show. */
export const secret = "the password is hunter2";

function broken(): never {
  throw new Error(`${secret}: cannot be looked at`);
}

class HostileError extends Error {
  override get name(): string {
    return broken();
  }
  override get message(): string {
    return broken();
  }
  override get cause(): unknown {
    return broken();
  }
  override get stack(): string {
    return broken();
  }
}

function tampered(change: (error: { -readonly [K in keyof ConnectError]: unknown }) => void): ConnectError {
  const error = new ConnectError("a reason", Code.NotFound);
  change(error as never);
  return error;
}

/** Everything that a hook may throw; each is made anew. */
export const hostileValues: Readonly<Record<string, () => unknown>> = {
  "an error": () => new Error(secret),
  "a frozen error": () => Object.freeze(new Error(secret)),
  "an error that cannot be looked at": () => new HostileError(),
  undefined: () => undefined,
  null: () => null,
  "a string": () => secret,
  "a frozen object": () => Object.freeze({ message: secret }),
  "an object whose text cannot be had": () => ({
    toString: broken,
    valueOf: broken,
    [Symbol.toPrimitive]: broken,
    get message() {
      return broken();
    },
  }),
  "an object without a prototype": () => Object.create(null),
  "a frozen RPC error": () => Object.freeze(new ConnectError("a reason", Code.NotFound)),
  "an RPC error without metadata": () => tampered((error) => (error.metadata = undefined)),
  "an RPC error with metadata that no header can carry": () =>
    tampered((error) => (error.metadata = new Headers({ "x-why": "a\x01b" }))),
  "an RPC error with metadata of another kind": () =>
    tampered((error) => (error.metadata = new Map([["x-why", 7]]))),
  "an RPC error with details that are none": () => tampered((error) => (error.details = [{ type: 7 }])),
  "an RPC error with a code that does not exist": () => tampered((error) => (error.code = 99)),
  "an RPC error with half a character": () => tampered((error) => (error.rawMessage = "half \ud83d")),
  "an RPC error without a text": () => tampered((error) => (error.rawMessage = undefined)),
};

/** How a hook may fail. */
export const waysToFail: Readonly<Record<string, (value: unknown) => unknown>> = {
  throws(value) {
    throw value;
  },
  rejects: (value) => Promise.reject(value),
  "rejects late": (value) => new Promise((_, reject) => setImmediate(() => reject(value))),
};

/** A hook's failure that a test switches on and off. */
export class Fault {
  #fail: (() => unknown) | undefined;

  /** Throws or rejects, when it is switched on; else undefined. */
  readonly here = (): undefined | Promise<undefined> => this.#fail?.() as undefined | Promise<undefined>;

  /** Runs a task for every way to fail with every value. */
  async forEach(task: (what: string) => Promise<void>): Promise<void> {
    for (const [way, fail] of Object.entries(waysToFail)) {
      for (const [what, make] of Object.entries(hostileValues)) {
        this.#fail = () => fail(make());
        await task(`${way} ${what}`);
        this.#fail = undefined;
      }
    }
  }
}
