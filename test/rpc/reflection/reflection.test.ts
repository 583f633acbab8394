import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  createFileRegistry,
  type DescService,
  fromBinary,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_duration,
} from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, createClient } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as Alpha } from "../../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { DescriptorIndex } from "../../../src/rpc/reflection/descriptor-index.ts";
import { EchoService, file_test_v1_echo } from "../../gen/test/v1/echo_pb.ts";
import { all, errorOf, streamOf } from "../echo.ts";
import { serveStandard } from "../standard-fixture.ts";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;
type RawResponse = ServerReflectionResponse["messageResponse"];

/** The two differ by nothing but the package, so one's questions and responses do for the other. */
const versions = [
  ["v1", ServerReflection],
  ["v1alpha", Alpha as unknown as typeof ServerReflection],
] as const;

/** Asks a server of one service, in a version, one question after the other on one stream. */
async function askIn(
  version: typeof ServerReflection,
  service: DescService,
  ...questions: Question[]
): Promise<RawResponse[]> {
  const { transport } = serveStandard({
    reflection: true,
    routes: (router) => {
      router.service(service, {});
    },
  });
  const { input } = version.method.serverReflectionInfo;
  const requests = questions.map((messageRequest) => create(input, { host: "here", messageRequest }));
  const client = createClient(version, transport);
  const answers = await all(client.serverReflectionInfo(streamOf(...requests)));
  assert.deepEqual(
    answers.map(({ originalRequest }) => originalRequest),
    requests,
  );
  assert.ok(answers.every(({ validHost }) => validHost === "here"));
  return answers.map(({ messageResponse }) => messageResponse);
}

function filesOf(answer: RawResponse | undefined): string[] {
  assert.equal(answer?.case, "fileDescriptorResponse");
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

function codeOf(answer: RawResponse | undefined): number {
  assert.equal(answer?.case, "errorResponse");
  return answer.value.errorCode;
}

function numbersOf(answer: RawResponse | undefined): (string | number)[] {
  assert.equal(answer?.case, "allExtensionNumbersResponse");
  return [answer.value.baseTypeName, ...answer.value.extensionNumber];
}

/** A service whose file imports another, which imports a third. */
function servicesWithImports(): DescService {
  const own = create(FileDescriptorProtoSchema, {
    name: "deep.proto",
    package: "deep.v1",
    syntax: "proto3",
    dependency: ["buf/validate/validate.proto"],
    messageType: [{ name: "Ask", enumType: [{ name: "Mood", value: [{ name: "CALM", number: 0 }] }] }],
    service: [
      { name: "Deep", method: [{ name: "Go", inputType: ".deep.v1.Ask", outputType: ".deep.v1.Ask" }] },
    ],
  });
  const registry = createFileRegistry(own, (name) =>
    name === "buf/validate/validate.proto" ? file_buf_validate_validate.proto : wellKnown(name),
  );
  return registry.getService("deep.v1.Deep") as DescService;
}

function wellKnown(name: string) {
  return file_buf_validate_validate.dependencies.find(({ proto }) => proto.name === name)?.proto;
}

for (const [name, version] of versions) {
  const ask = (service: DescService, ...questions: Question[]): Promise<RawResponse[]> =>
    askIn(version, service, ...questions);

  describe(`reflection ${name}`, () => {
    it("gives back the file of each symbol, whole", async () => {
      const symbols = [
        "datapunk.mesh.test.v1.EchoService",
        "datapunk.mesh.test.v1.EchoService.Chat",
        "datapunk.mesh.test.v1.EchoRequest",
        ".datapunk.mesh.test.v1.EchoRequest",
        "datapunk.mesh.test.v1.EchoRequest.payload",
      ];
      for (const value of symbols) {
        const [answer] = await ask(EchoService, { case: "fileContainingSymbol", value });
        assert.deepEqual(filesOf(answer), ["test/v1/echo.proto"], value);
      }
      const [answer] = await ask(EchoService, { case: "fileByFilename", value: "test/v1/echo.proto" });
      assert.ok(answer?.case === "fileDescriptorResponse");
      const set = create(FileDescriptorSetSchema, {
        file: answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)),
      });
      const service = createFileRegistry(set).getService(EchoService.typeName);
      assert.deepEqual(
        service?.methods.map(({ name, methodKind, idempotency }) => [name, methodKind, idempotency]),
        EchoService.methods.map(({ name, methodKind, idempotency }) => [name, methodKind, idempotency]),
      );
    });

    it("sends a file with all that it imports, and on one stream no import twice", async () => {
      const service = servicesWithImports();
      const [first, second] = await ask(
        service,
        { case: "fileContainingSymbol", value: "deep.v1.Ask.CALM" },
        { case: "fileByFilename", value: "deep.proto" },
      );
      assert.deepEqual(filesOf(first).sort(), [
        "buf/validate/validate.proto",
        "deep.proto",
        "google/protobuf/descriptor.proto",
        "google/protobuf/duration.proto",
        "google/protobuf/field_mask.proto",
        "google/protobuf/timestamp.proto",
      ]);
      assert.equal(filesOf(first)[0], "deep.proto");
      assert.deepEqual(filesOf(second), ["deep.proto"]);
    });

    it("knows extensions by message and number", async () => {
      const service = servicesWithImports();
      const options = "google.protobuf.FieldOptions";
      const [numbers, none, unknown, file, absent] = await ask(
        service,
        { case: "allExtensionNumbersOfType", value: options },
        { case: "allExtensionNumbersOfType", value: "deep.v1.Ask" },
        { case: "allExtensionNumbersOfType", value: "no.such.Message" },
        {
          case: "fileContainingExtension",
          value: {
            containingType: options,
            extensionNumber: 1159,
          },
        },
        {
          case: "fileContainingExtension",
          value: {
            containingType: options,
            extensionNumber: 1,
          },
        },
      );
      assert.deepEqual(numbersOf(numbers), [options, 1159, 1160]);
      assert.deepEqual(numbersOf(none), ["deep.v1.Ask"]);
      assert.equal(codeOf(unknown), Code.NotFound);
      assert.equal(filesOf(file)[0], "buf/validate/validate.proto");
      assert.equal(codeOf(absent), Code.NotFound);
    });

    it("tells errors inside of the response, and goes on", async () => {
      const answers = await ask(
        EchoService,
        { case: "fileByFilename", value: "nowhere.proto" },
        { case: "fileContainingSymbol", value: "toString" },
        { case: undefined },
        { case: "fileContainingSymbol", value: EchoService.typeName },
      );
      assert.deepEqual(answers.slice(0, 3).map(codeOf), [Code.NotFound, Code.NotFound, Code.InvalidArgument]);
      assert.deepEqual(filesOf(answers[3]), ["test/v1/echo.proto"]);
    });
  });
}

describe("reflection", () => {
  it("hands out each file of an import tree once", () => {
    const index = new DescriptorIndex([EchoService]);
    assert.deepEqual(index.closureOf(file_test_v1_echo), [file_test_v1_echo]);
    assert.deepEqual(index.closureOf(file_google_protobuf_duration), [file_google_protobuf_duration]);
  });

  it("is served by option, behind security, in both of its versions", async () => {
    const without = serveStandard();
    const question = () => streamOf({ messageRequest: { case: "listServices" as const, value: "" } });
    const refused = await errorOf(
      all(createClient(ServerReflection, without.transport).serverReflectionInfo(question())),
    );
    assert.equal(refused.code, Code.Unimplemented);

    const secured = serveStandard({ reflection: true }, { server: { auth: { required: true } } });
    const anonymous = await errorOf(
      all(createClient(ServerReflection, secured.transport).serverReflectionInfo(question())),
    );
    assert.equal(anonymous.code, Code.Unauthenticated);

    const { transport } = serveStandard({ reflection: true });
    const names = [
      "datapunk.mesh.test.v1.EchoService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ];
    const v1 = await all(createClient(ServerReflection, transport).serverReflectionInfo(question()));
    const alpha = await all(createClient(Alpha, transport).serverReflectionInfo(question()));
    for (const { messageResponse } of [...v1, ...alpha]) {
      assert.ok(messageResponse.case === "listServicesResponse");
      assert.deepEqual(
        messageResponse.value.service.map(({ name }) => name),
        names,
      );
    }
    assert.equal(v1.length + alpha.length, 2);
  });
});
