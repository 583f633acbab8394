import type { DescFile, DescService, MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { DescriptorIndex } from "./descriptor-index.ts";

type ReflectionResult = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]
>;

/** What is asked for, without the bookkeeping; v1 and v1alpha ask alike. */
type Question = Pick<ServerReflectionRequest, "messageRequest">;

/**
 * The standard reflection service over the given services: their files with all that they import. What
 * cannot be found is an error inside of the response, as the standard has it, and the stream goes on.
 */
export function reflectionService(services: readonly DescService[]): ServiceImpl<typeof ServerReflection> {
  let known: DescriptorIndex | undefined;
  return {
    async *serverReflectionInfo(requests) {
      // Reading all descriptors takes a moment, which a server that nobody asks need not spend.
      known ??= new DescriptorIndex(services);
      const sent = new Set<string>();
      for await (const request of requests) {
        yield {
          validHost: request.host,
          originalRequest: request,
          messageResponse: respondTo(request, known, services, sent),
        };
      }
    },
  };
}

function respondTo(
  { messageRequest: question }: Question,
  index: DescriptorIndex,
  services: readonly DescService[],
  sent: Set<string>,
): ReflectionResult {
  switch (question.case) {
    case "listServices": {
      const names = services.map(({ typeName }) => typeName).sort();
      return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
    }
    case "fileByFilename":
      return files(index, index.file(question.value), sent, `file ${question.value}`);
    case "fileContainingSymbol":
      return files(index, index.fileOf(question.value), sent, `symbol ${question.value}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const file = index.fileOfExtension(containingType, extensionNumber);
      return files(index, file, sent, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensionNumbers(question.value);
      if (numbers === undefined) return failure(Code.NotFound, `message ${question.value} is not known here`);
      const value = { baseTypeName: question.value, extensionNumber: [...numbers] };
      return { case: "allExtensionNumbersResponse", value };
    }
    default:
      return failure(Code.InvalidArgument, "the request asks for nothing that is known here");
  }
}

/** The file and what it imports; imports that this stream has carried already are left out. */
function files(
  index: DescriptorIndex,
  file: DescFile | undefined,
  sent: Set<string>,
  what: string,
): ReflectionResult {
  if (file === undefined) return failure(Code.NotFound, `${what} is not known here`);
  const watcher = index.closureOf(file).filter((each) => each === file || !sent.has(each.proto.name));
  for (const each of watcher) sent.add(each.proto.name);
  const value = { fileDescriptorProto: watcher.map((each) => index.encode(each)) };
  return { case: "fileDescriptorResponse", value };
}

function failure(errorCode: Code, errorMessage: string): ReflectionResult {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
