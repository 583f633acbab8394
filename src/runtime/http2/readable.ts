import type { Readable } from "node:stream";

/** How many bytes a request body is read ahead of who reads it, beyond what the socket holds. */
const aheadBytes = 65_536;

/**
 * Reads a Node stream to its end.
 *
 * @param gone - makes the error for a stream that closes before its end
 */
export function collect(source: Readable, gone: () => unknown): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (source.destroyed && !source.readableEnded) {
      reject(gone());
      return;
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    source.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      size += chunk.byteLength;
    });
    source.once("end", () => {
      if (chunks.length === 1) {
        const only = chunks[0]!;
        resolve(new Uint8Array(only.buffer, only.byteOffset, only.byteLength));
        return;
      }
      const whole = new Uint8Array(size);
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.byteLength;
      }
      resolve(whole);
    });
    // After `end` the promise is settled and these say nothing.
    source.once("error", () => reject(gone()));
    source.once("close", () => reject(gone()));
  });
}

/** Throws away what is left of a Node stream; resolves when it has ended, or after so many bytes or milliseconds. */
export function discard(source: Readable, maxBytes: number, maxMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (source.destroyed || source.readableEnded) {
      resolve();
      return;
    }
    let bytes = 0;
    const onData = (chunk: Uint8Array): void => {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) done();
    };
    const done = (): void => {
      clearTimeout(timer);
      source.off("data", onData).off("end", done).off("close", done).off("error", done);
      source.pause();
      resolve();
    };
    const timer = setTimeout(done, maxMs);
    source.on("data", onData).once("end", done).once("close", done).once("error", done);
    source.resume();
  });
}

/**
 * A web stream over a Node stream. It pauses the source, and with it the socket, when its reader falls
 * behind. Cancelling it throws the rest away, so that the connection stays usable for the answer.
 *
 * @param gone - makes the error for a stream that closes before its end
 */
export function webStreamFrom(source: Readable, gone: () => unknown): ReadableStream<Uint8Array> {
  let done = false;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (source.destroyed && !source.readableEnded) {
          done = true;
          controller.error(gone());
          return;
        }
        source.on("data", (chunk: Uint8Array) => {
          if (done) return;
          controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
          if ((controller.desiredSize ?? 0) <= 0) source.pause();
        });
        source.once("end", () => {
          if (done) return;
          done = true;
          controller.close();
        });
        const fail = (): void => {
          if (done) return;
          done = true;
          controller.error(gone());
        };
        source.once("error", fail);
        source.once("close", fail);
        source.pause();
      },
      pull() {
        source.resume();
      },
      cancel() {
        done = true;
        source.resume();
      },
    },
    { highWaterMark: aheadBytes, size: (chunk) => chunk.byteLength },
  );
}
