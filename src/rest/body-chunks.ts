import { MeshError } from "../core/errors.ts";
import type { HttpResponse } from "./http-transport.ts";
import type { SentRequest } from "./rest-request.ts";

/**
 * The body in pieces of at most `chunkBytes`. A piece is asked for only when the one before was taken, and
 * leaving the loop cancels the body.
 *
 * @throws RangeError when `chunkBytes` is no whole number from 1
 */
export function chunksOf(
  body: ReadableStream<Uint8Array> | null,
  chunkBytes: number,
): AsyncIterableIterator<Uint8Array> {
  if (!Number.isInteger(chunkBytes) || chunkBytes < 1) {
    throw new RangeError(`Cannot stream the body: chunkBytes is ${chunkBytes}; pass a whole number from 1`);
  }
  return split(body, chunkBytes);
}

async function* split(
  body: ReadableStream<Uint8Array> | null,
  chunkBytes: number,
): AsyncIterableIterator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        finished = true;
        return;
      }
      for (let at = 0; at < value.byteLength; at += chunkBytes) yield value.subarray(at, at + chunkBytes);
    }
  } catch (error) {
    finished = true;
    throw error;
  } finally {
    if (!finished) await reader.cancel();
    reader.releaseLock();
  }
}

/** The body as lines of UTF-8 text, without their ends (`\n` or `\r\n`); a last line need not have one. */
export async function* linesOf(body: ReadableStream<Uint8Array> | null): AsyncIterableIterator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of split(body, Number.MAX_SAFE_INTEGER)) {
    const text = decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      yield withoutReturn(rest + text.slice(from, end));
      rest = "";
      from = end + 1;
    }
    rest += text.slice(from);
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** How long a body is waited for after the end of its call, at most. */
const lateBodyMs = 10_000;

/**
 * Reads a body within the deadline also where the call has ended already, and so is no longer cancelled
 * when its time is up: after a 5xx.
 */
export function withinDeadline<T>(
  sentRequest: SentRequest,
  response: HttpResponse,
  read: () => Promise<T>,
): Promise<T> {
  return sentRequest.call.outcome === undefined || response.settled === true
    ? read()
    : late(sentRequest, response, read);
}

async function late<T>(
  { call, clock }: SentRequest,
  response: HttpResponse,
  read: () => Promise<T>,
): Promise<T> {
  const giveUp = (): void =>
    response.cancel?.(
      new MeshError(
        "ERR_DEADLINE_EXCEEDED",
        `The response of ${call.service} did not arrive completely before its deadline`,
      ),
    );
  const stop = clock.schedule(giveUp, Math.min(Math.max(call.deadline - clock.now(), 0), lateBodyMs));
  try {
    return await read();
  } finally {
    stop();
  }
}
