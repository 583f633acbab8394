import { Buffer } from "node:buffer";
import type { Http2Stream } from "node:http2";
import type { EncodedMessage } from "./codec.ts";
import { prefixBytes, writePrefix } from "./envelope.ts";

/** Longer messages are written as they are, behind their prefix; shorter ones are cheaper to copy than to write apart. */
const copyBytes = 32 * 1024;

/** The messages with their prefixes, in one buffer. */
function join(messages: readonly EncodedMessage[], bytes: number): Buffer {
  // A Buffer from the start, because node:stream makes one of anything else; pooled, because most are small.
  const framed = Buffer.allocUnsafe(bytes + prefixBytes * messages.length);
  let at = 0;
  for (const { flags, bytes: body } of messages) {
    writePrefix(framed, at, flags, body.length);
    framed.set(body, at + prefixBytes);
    at += prefixBytes + body.length;
  }
  return framed;
}

function prefixOf(message: EncodedMessage): Buffer {
  const prefix = Buffer.allocUnsafe(prefixBytes);
  writePrefix(prefix, 0, message.flags, message.bytes.length);
  return prefix;
}

/**
 * Writes messages to a stream: small ones in one buffer, large ones without copying them.
 *
 * @returns whether the stream takes more at once
 */
export function writeMessages(
  stream: Http2Stream,
  messages: readonly EncodedMessage[],
  bytes: number,
): boolean {
  if (bytes <= copyBytes) return stream.write(join(messages, bytes));
  let more = true;
  stream.cork();
  for (const message of messages) {
    if (message.bytes.length <= copyBytes) {
      more = stream.write(join([message], message.bytes.length));
    } else {
      stream.write(prefixOf(message));
      more = stream.write(message.bytes);
    }
  }
  stream.uncork();
  return more;
}

/** Writes the last message and ends the stream. */
export function endWithMessage(stream: Http2Stream, message: EncodedMessage): void {
  const { bytes } = message;
  if (bytes.length <= copyBytes) {
    stream.end(join([message], bytes.length));
    return;
  }
  stream.cork();
  stream.write(prefixOf(message));
  stream.end(bytes);
}
