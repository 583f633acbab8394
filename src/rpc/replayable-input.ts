import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";

/** The messages that a streaming call sends, handed to one attempt after another. */
export interface StreamInput {
  /** Whether another attempt would send all that the first one did. */
  readonly replayable: boolean;
  /** The messages for one attempt. */
  open(): AsyncIterable<unknown>;
  /** The answer has begun: nothing is sent again. */
  settle(): void;
  /** Tells the source that nobody will ask for more. */
  close(): void;
}

/** The input of one call, so that it can be sent again where that is possible. */
export function streamInput(method: DescMethod, source: AsyncIterable<unknown>): StreamInput {
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
export function singleInput(source: AsyncIterable<unknown>): StreamInput {
  const iterator = source[Symbol.asyncIterator]();
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

/** Bytes of messages that are kept until the answer begins; gRPC's own clients keep as much for a call. */
const keptBytes = 256 * 1024;
/** What keeping a message costs besides its bytes, about. */
const keptOverheadBytes = 64;

/**
 * The input of a call that streams to the server: what was sent is kept, up to 256 KiB, until the answer begins.
 *
 * The messages are kept as bytes, because a source may use one object for all of them.
 */
export function liveInput(source: AsyncIterable<unknown>, desc: DescMessage): StreamInput {
  return new LiveInput(source, desc);
}

class LiveInput implements StreamInput {
  readonly #desc: DescMessage;
  readonly #iterator: AsyncIterator<unknown>;
  /** What was asked of the source, in that order; undefined once nothing will be sent again. */
  #kept: Promise<Uint8Array | undefined>[] | undefined = [];
  #keptBytes = 0;
  /** Whether nothing more is kept; an attempt that was promised the kept messages still gets them. */
  #full = false;
  #owner: object | undefined = undefined;

  constructor(source: AsyncIterable<unknown>, desc: DescMessage) {
    this.#desc = desc;
    this.#iterator = source[Symbol.asyncIterator]();
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
    const known = this.#kept?.[index];
    if (known !== undefined) {
      this.#owner = attempt;
      return known.then((bytes) =>
        bytes === undefined ? finished : { done: false, value: fromBinary(this.#desc, bytes) },
      );
    }
    if (this.#kept === undefined && attempt !== this.#owner) return Promise.resolve(finished);
    this.#owner = attempt;
    const result = this.#iterator.next();
    if (this.#full) this.#kept = undefined;
    else this.#keep(result);
    return result;
  }

  #keep(result: Promise<IteratorResult<unknown>>): void {
    const kept = result.then(
      ({ done, value }) => (done === true ? undefined : this.#encoded(value)),
      (error: unknown) => {
        this.#full = true;
        throw error;
      },
    );
    // Whoever sends the message says what is wrong with it.
    kept.catch(() => {});
    this.#kept!.push(kept);
  }

  #encoded(message: unknown): Uint8Array {
    try {
      const bytes = toBinary(this.#desc, create(this.#desc, message as MessageInitShape<DescMessage>));
      this.#keptBytes += bytes.length + keptOverheadBytes;
      if (this.#keptBytes > keptBytes) this.#full = true;
      return bytes;
    } catch (error) {
      this.#full = true;
      throw error;
    }
  }
}

function release(iterator: AsyncIterator<unknown>): void {
  iterator.return?.()?.catch(() => {});
}
