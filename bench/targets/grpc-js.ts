/** The echo service's methods in the shape that grpc-js wants. */
import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";

const codec = (schema: DescMessage) => ({
  serialize: (message: never): Buffer => Buffer.from(toBinary(schema, message)),
  deserialize: (bytes: Buffer): unknown => fromBinary(schema, bytes),
});

function definition(method: DescMethod): MethodDefinition<unknown, unknown> {
  const request = codec(method.input);
  const response = codec(method.output);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: request.serialize as (message: unknown) => Buffer,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize as (message: unknown) => Buffer,
    responseDeserialize: response.deserialize,
  };
}

/** A service descriptor as grpc-js's service definition. */
export function grpcJsDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, definition(method)]),
  ) as ServiceDefinition;
}
