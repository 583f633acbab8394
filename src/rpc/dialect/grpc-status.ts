import { create } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, base64Decode, base64Encode, WireType } from "@bufbuild/protobuf/wire";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { fieldOf } from "../../http/fields.ts";
import type { Fields } from "../../http/http2/streams/stream.ts";

/** An error detail as it came from the wire. */
interface GrpcStatusDetail {
  readonly type: string;
  readonly value: Uint8Array;
}

/** A decoded `google.rpc.Status`. */
interface GrpcStatusMessage {
  code: number;
  message: string;
  readonly details: GrpcStatusDetail[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text that may stand in a header as it is: printable ASCII without `%`, and no space at either end. */
const plainMessage = /^(?:[\x21-\x24\x26-\x7e](?:[\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?)?$/;

/** Percent-encodes a `grpc-message`: every byte of its UTF-8 form that is not printable ASCII, and `%`. */
export function encodeStatusText(message: string): string {
  if (plainMessage.test(message)) return message;
  let text = "";
  const bytes = encoder.encode(message);
  for (const [i, byte] of bytes.entries()) {
    const edge = byte === 0x20 && (i === 0 || i === bytes.length - 1);
    text +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !edge
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** Decodes a `grpc-message`; what is not well encoded stays as it is, as the specification asks. */
function decodeStatusText(text: string): string {
  if (!text.includes("%")) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const hex = code === 0x25 ? text.slice(i + 1, i + 3) : "";
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    } else {
      bytes.push(code & 0xff);
    }
  }
  return decoder.decode(new Uint8Array(bytes));
}

/** Encodes a `google.rpc.Status` with the error's details, for `grpc-status-details-bin`. */
export function encodeDetails(error: ConnectError): string {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int32(error.code);
  writer.tag(2, WireType.LengthDelimited).string(error.rawMessage);
  for (const detail of error.details) {
    let typeUrl: string;
    let value: Uint8Array;
    if ("desc" in detail) {
      const any = anyPack(detail.desc, create(detail.desc, detail.value));
      typeUrl = any.typeUrl;
      value = any.value;
    } else {
      typeUrl = `type.googleapis.com/${detail.type}`;
      value = detail.value;
    }
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(typeUrl);
    writer.tag(2, WireType.LengthDelimited).bytes(value);
    writer.join();
  }
  return base64Encode(writer.finish(), "std_raw");
}

function readAny(reader: BinaryReader): GrpcStatusDetail {
  const end = reader.uint32() + reader.pos;
  let typeUrl = "";
  let value: Uint8Array = new Uint8Array(0);
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1) typeUrl = reader.string();
    else if (field === 2) value = reader.bytes();
    else reader.skip(wireType, field);
  }
  return { type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value };
}

/** Decodes `grpc-status-details-bin`; undefined when it is malformed, as the other two fields suffice. */
function decodeDetails(text: string): GrpcStatusMessage | undefined {
  try {
    const reader = new BinaryReader(base64Decode(text));
    const status: GrpcStatusMessage = { code: 0, message: "", details: [] };
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) status.code = reader.int32();
      else if (field === 2) status.message = reader.string();
      else if (field === 3) status.details.push(readAny(reader));
      else reader.skip(wireType, field);
    }
    return status;
  } catch {
    return undefined;
  }
}

/**
 * The error that trailers (or the headers of a trailers-only response) state; undefined for status 0.
 *
 * Call it only when `grpc-status` is there. The caller fills in the metadata.
 */
export function errorFromStatus(fields: Fields, status: string): ConnectError | undefined {
  if (status === "0") return undefined;
  const code = /^\d{1,2}$/.test(status) ? Number(status) : 0;
  if (code < 1 || code > 16) return new ConnectError(`invalid grpc-status: ${status}`, Code.Internal);
  const error = new ConnectError(decodeStatusText(fieldOf(fields, "grpc-message") ?? ""), code as Code);
  const details = fieldOf(fields, "grpc-status-details-bin");
  const decoded = details === undefined ? undefined : decodeDetails(details);
  if (decoded === undefined) return error;
  // The details repeat code and message; where they differ, the code of the header is what proxies saw.
  const full =
    decoded.message === "" || decoded.message === error.rawMessage
      ? error
      : new ConnectError(decoded.message, error.code);
  full.details = decoded.details;
  return full;
}
