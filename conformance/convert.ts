import { create, type Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import {
  type Error as ConformanceError,
  ErrorSchema,
  type Header,
  HeaderSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** Fields of `Headers` as the suite's own messages. */
export function headersToProto(headers: Headers): Header[] {
  const fields: Header[] = [];
  headers.forEach((value, name) => {
    fields.push(create(HeaderSchema, { name, value: value.split(", ") }));
  });
  return fields;
}

/** Adds the suite's fields to `Headers`. */
export function addHeaders(target: Headers, fields: readonly Header[]): Headers {
  for (const { name, value } of fields) for (const each of value) target.append(name, each);
  return target;
}

/** An error as the suite describes it, details included. */
export function errorToProto(error: ConnectError): ConformanceError {
  return create(ErrorSchema, {
    code: error.code,
    message: error.rawMessage,
    details: error.details.map((detail): Any => {
      if ("desc" in detail) return anyPack(detail.desc, create(detail.desc, detail.value));
      return create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value });
    }),
  });
}

/** The error that the suite asks for, with further details behind its own. */
export function errorFromProto(
  error: ConformanceError,
  ...more: readonly { desc: GenMessage<Message>; value: Message }[]
): ConnectError {
  const result = new ConnectError(error.message ?? "", error.code as number);
  result.details = [
    ...error.details.map((any) => ({
      type: any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1),
      value: any.value,
    })),
    ...more,
  ];
  return result;
}
