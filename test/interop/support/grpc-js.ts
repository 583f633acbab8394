import { type DescMessage, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";

type AnyMethod = MethodDefinition<Message, Message>;

function serializerOf(desc: DescMessage): (message: Message) => Buffer {
  return (message) => Buffer.from(toBinary(desc, message));
}

/** What grpc-js wants to know of a service, for messages of protobuf-es. */
export function definitionOf(service: DescService): ServiceDefinition {
  const methods = service.methods.map(
    ({ name, localName, methodKind, input, output }): [string, AnyMethod] => [
      localName,
      {
        path: `/${service.typeName}/${name}`,
        requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
        responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
        requestSerialize: serializerOf(input),
        requestDeserialize: (bytes) => fromBinary(input, bytes),
        responseSerialize: serializerOf(output),
        responseDeserialize: (bytes) => fromBinary(output, bytes),
      },
    ],
  );
  return Object.fromEntries(methods) as ServiceDefinition;
}
