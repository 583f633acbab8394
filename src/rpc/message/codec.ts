import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  DescMessage,
  DescMethod,
  JsonReadOptions,
  JsonWriteOptions,
  Message,
} from "@bufbuild/protobuf";
import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "./compression.ts";
import { compressedFlag } from "./envelope.ts";

/** Turns messages of one type into bytes and back. */
export interface MessageCodec {
  /** Accepts a partial message too. @throws ConnectError `internal` */
  encode(message: object): Uint8Array;
  /** @throws ConnectError `internal` for binary, `invalid_argument` for JSON */
  decode(bytes: Uint8Array): Message;
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Options of the two formats, as Connect has them. */
export interface FormatOptions {
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions> | undefined;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
}

function failure(what: string, code: Code, error: unknown): ConnectError {
  return new ConnectError(`${what}: ${describe(error)}`, code, undefined, undefined, error);
}

function binaryCodec(desc: DescMessage, options: FormatOptions["binaryOptions"]): MessageCodec {
  return {
    encode(message) {
      try {
        // Protobuf types a message by its schema, which is not known here.
        return toBinary(desc, create(desc, message as never), options);
      } catch (error) {
        throw failure("serialize binary", Code.Internal, error);
      }
    },
    decode(bytes) {
      try {
        return fromBinary(desc, bytes, options);
      } catch (error) {
        throw failure("parse binary", Code.Internal, error);
      }
    },
  };
}

function jsonCodec(desc: DescMessage, given: FormatOptions["jsonOptions"]): MessageCodec {
  // Fields that a newer peer knows are no error, as in the binary format.
  const options = { ignoreUnknownFields: true, ...given };
  return {
    encode(message) {
      try {
        // As above.
        return textEncoder.encode(toJsonString(desc, create(desc, message as never), options));
      } catch (error) {
        throw failure("serialize JSON", Code.Internal, error);
      }
    },
    decode(bytes) {
      try {
        return fromJsonString(desc, textDecoder.decode(bytes), options);
      } catch (error) {
        throw failure("parse JSON", Code.InvalidArgument, error);
      }
    },
  };
}

/** Codecs of one method's two messages, in both formats. */
export interface MethodCodecs {
  readonly input: { readonly proto: MessageCodec; readonly json: MessageCodec };
  readonly output: { readonly proto: MessageCodec; readonly json: MessageCodec };
}

/** Makes the codecs of a method. */
export function codecsOf(method: DescMethod, options: FormatOptions): MethodCodecs {
  const { jsonOptions, binaryOptions } = options;
  const { input, output } = method;
  return {
    input: { proto: binaryCodec(input, binaryOptions), json: jsonCodec(input, jsonOptions) },
    output: { proto: binaryCodec(output, binaryOptions), json: jsonCodec(output, jsonOptions) },
  };
}

/** How messages go out. */
export interface EncodeOptions {
  readonly compression: Compression | undefined;
  /** Smaller messages are sent as they are. */
  readonly compressMinBytes: number;
  /** Upper bound of a message before compression. */
  readonly maxBytes: number;
}

/** A message ready to go out, without its prefix. */
export interface EncodedMessage {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/**
 * Encodes one message; a promise only when it is large and compressed.
 *
 * @throws ConnectError `resource_exhausted` beyond the limit
 */
export function encodeMessage(
  codec: MessageCodec,
  message: object,
  options: EncodeOptions,
): EncodedMessage | Promise<EncodedMessage> {
  const bytes = codec.encode(message);
  if (bytes.length > options.maxBytes) {
    throw new ConnectError(
      `message of ${bytes.length} bytes is larger than the limit of ${options.maxBytes}`,
      Code.ResourceExhausted,
    );
  }
  if (options.compression === undefined || bytes.length < options.compressMinBytes) {
    return { flags: 0, bytes };
  }
  const compressed = options.compression.compress(bytes);
  return compressed instanceof Uint8Array
    ? { flags: compressedFlag, bytes: compressed }
    : Promise.resolve(compressed).then((done) => ({ flags: compressedFlag, bytes: done }));
}

/**
 * Decodes the body of one message; a promise only when it is large and compressed.
 *
 * @throws ConnectError `internal` for a compressed message without an announced encoding, and for unknown flags
 */
export function decodeMessageBody(
  codec: MessageCodec,
  flags: number,
  bytes: Uint8Array,
  compression: Compression | undefined,
  maxBytes: number,
): Message | Promise<Message> {
  if (flags === 0) return codec.decode(bytes);
  if ((flags & compressedFlag) === 0) {
    throw new ConnectError(`protocol error: unknown flags 0x${flags.toString(16)}`, Code.Internal);
  }
  if (compression === undefined) {
    throw new ConnectError(
      "protocol error: received a compressed message, but no encoding was announced",
      Code.Internal,
    );
  }
  const plain = compression.decompress(bytes, maxBytes);
  return plain instanceof Uint8Array
    ? codec.decode(plain)
    : Promise.resolve(plain).then((done) => codec.decode(done));
}
