import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { iteratorOf } from "../safe-interceptor.ts";

/** The messages that a streaming call sends, handed to one attempt after another. */
export interface RequestStream {
  /** Whether another attempt would send all that the first one did. */
  readonly replayable: boolean;
  /** The messages for one attempt. */
  open(): AsyncIterable<unknown>;
  /** The response has begun: nothing is sent again. */
  settle(): void;
  /** Tells the source that nobody will ask for more. */
  close(): void;
}

/** The input of one call, so that it can be sent again where that is possible. */
export function streamInput(method: DescMethod, source: AsyncIterable<unknown>): RequestStream {
  return method.methodKind === "server_streaming" ? singleInput(source) : liveInput(source, method.input);
}

const finished: IteratorResult<unknown> = { done: true, value: undefined };
/** A server-streaming request is one message and the end. */
const keptResults = 2;

/**
 * The input of a server-streaming call: its one message is kept, so that every attempt can send it.
 *
 * Should a caller send more than one (the server will refuse that), the others pass through once.
 */
export function singleInput(source: AsyncIterable<unknown>): RequestStream {
  const iterator = iteratorOf(source);
  const kept: Promise<IteratorResult<unknown>>[] = [];
  let overrun = false;
  const nextAt = (index: number): Promise<IteratorResult<unknown>> => {
    const known = kept[index];
    if (known !== undefined) return known;
    const result = iterator.next();
    if (index < keptResults) kept.push(result);
    else overrun = true;
    return result;
  };
  return {
    get replayable() {
      return !overrun;
    },
    open() {
      let index = 0;
      const attempt: AsyncIterator<unknown> = {
        next: () => nextAt(index++),
        // Connect's own transports demand it, to stop a request that is not wanted any more.
        throw: async () => finished,
      };
      return { [Symbol.asyncIterator]: () => attempt };
    },
    settle() {
      // The one message is the caller's anyway.
    },
    close: () => release(iterator),
  };
}

/** Bytes of messages that are kept until the response begins; gRPC's own clients keep as much for a call. */
const keptBytes = 256 * 1024;
/** What keeping a message costs besides its bytes, about. */
const keptOverheadBytes = 64;

/**
 * The input of a call that streams to the server: what was sent is kept, up to 256 KiB, until the response begins.
 *
 * The messages are kept as bytes, because a source may use one object for all of them.
 */
export function liveInput(source: AsyncIterable<unknown>, desc: DescMessage): RequestStream {
  return new LiveInput(source, desc);
}

class LiveInput implements RequestStream {
  readonly #desc: DescMessage;
  readonly #iterator: AsyncIterator<unknown>;
  /** What the source gave, in that order; undefined once nothing will be sent again. */
  #kept: Uint8Array[] | undefined = [];
  #keptBytes = 0;
  /** Whether nothing more is kept; an attempt that was promised the kept messages still gets them. */
  #full = false;
  #ended = false;
  /** Why there are no more messages, when that is not their end. */
  #failure: { readonly error: unknown } | undefined = undefined;
  /** What the source was asked for and has not given yet. */
  #sentRequest: Promise<IteratorResult<unknown>> | undefined = undefined;
  #owner: object | undefined = undefined;

  constructor(source: AsyncIterable<unknown>, desc: DescMessage) {
    this.#desc = desc;
    this.#iterator = iteratorOf(source);
  }

  get replayable(): boolean {
    return !this.#full;
  }

  settle(): void {
    this.#full = true;
  }

  close(): void {
    release(this.#iterator);
  }

  open(): AsyncIterable<unknown> {
    let index = 0;
    const attempt: AsyncIterator<unknown> = {
      next: () => this.#nextAt(index++, attempt),
      throw: async (error) =>
        this.#isLast(attempt) && this.#iterator.throw !== undefined ? this.#iterator.throw(error) : finished,
      return: async (value) =>
        this.#isLast(attempt) && this.#iterator.return !== undefined
          ? this.#iterator.return(value)
          : finished,
    };
    return { [Symbol.asyncIterator]: () => attempt };
  }

  /** Whether the source belongs to that attempt, because there will be no other one. */
  #isLast(attempt: object): boolean {
    return this.#full && attempt === this.#owner;
  }

  #nextAt(index: number, attempt: object): Promise<IteratorResult<unknown>> {
    const kept = this.#kept;
    if (kept === undefined) {
      return attempt === this.#owner ? this.#iterator.next() : Promise.resolve(finished);
    }
    this.#owner = attempt;
    const known = kept[index];
    if (known !== undefined) return Promise.resolve({ done: false, value: fromBinary(this.#desc, known) });
    if (this.#ended) return Promise.resolve(finished);
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (this.#sentRequest !== undefined) return this.#sentRequest.then(() => this.#nextAt(index, attempt));
    if (this.#full) {
      this.#kept = undefined;
      return this.#iterator.next();
    }
    this.#sentRequest = this.#iterator.next().then(this.#take, this.#fail);
    return this.#sentRequest;
  }

  readonly #take = (result: IteratorResult<unknown>): IteratorResult<unknown> => {
    this.#sentRequest = undefined;
    if (result.done === true) {
      this.#ended = true;
      return finished;
    }
    try {
      const message = create(this.#desc, result.value as MessageInitShape<DescMessage>);
      const bytes = toBinary(this.#desc, message);
      this.#kept?.push(bytes);
      this.#keptBytes += bytes.length + keptOverheadBytes;
      if (this.#keptBytes > keptBytes) this.#full = true;
      return { done: false, value: message };
    } catch (error) {
      return this.#fail(error);
    }
  };

  readonly #fail = (error: unknown): never => {
    this.#sentRequest = undefined;
    this.#full = true;
    this.#failure = { error };
    throw error;
  };
}

function release(iterator: AsyncIterator<unknown>): void {
  try {
    iterator.return?.()?.catch(() => {});
  } catch {
    // A source that fails at its clean-up has nobody left to tell.
  }
}
