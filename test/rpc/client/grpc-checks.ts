import assert from "node:assert/strict";
import { ConnectError } from "@connectrpc/connect";
import { isTransportError } from "../../../src/core/errors.ts";

/** What a test may have to close, newest first. */
export class Cleanup {
  readonly #tasks: (() => unknown)[] = [];

  add(task: () => unknown): void {
    this.#tasks.unshift(task);
  }

  async run(): Promise<void> {
    for (const task of this.#tasks.splice(0)) await task();
  }
}

/** The error that a call fails with. */
export async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => assert.fail("the call should have failed"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError, String(error));
  return error;
}

/** What a retry may conclude from an error. */
export function faultOf(error: ConnectError): string | undefined {
  return isTransportError(error.cause) ? error.cause.fault : undefined;
}

/** The values as a stream. */
export async function* each<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

/** The messages of a stream, once it has ended. */
export async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const message of messages) list.push(message);
  return list;
}

/** A promise and the way to settle it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
