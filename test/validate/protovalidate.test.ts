import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  createFileRegistry,
  type DescService,
  type MessageInitShape,
  setExtension,
} from "@bufbuild/protobuf";
import { FieldOptionsSchema, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  FieldRulesSchema,
  field,
  file_buf_validate_validate,
  ViolationsSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, type ConnectRouter, createClient, type Interceptor } from "@connectrpc/connect";
import { protovalidate } from "../../src/validate/protovalidate.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { all, echoRoutes, errorOf, streamOf } from "../rpc/echo.ts";
import { serveStandard } from "../rpc/standard-fixture.ts";

/** `text` of the request, with rules: the proto that a user would write, without the compiler. */
function ruledService(rules: MessageInitShape<typeof FieldRulesSchema>): DescService {
  const options = create(FieldOptionsSchema);
  setExtension(options, field, create(FieldRulesSchema, rules));
  const type = ".ruled.v1.Message";
  const method = { inputType: ".ruled.v1.Request", outputType: type };
  const file = create(FileDescriptorProtoSchema, {
    name: "ruled/v1/ruled.proto",
    package: "ruled.v1",
    syntax: "proto3",
    dependency: ["buf/validate/validate.proto"],
    messageType: [
      { name: "Message", field: [{ name: "text", number: 1, type: 9, label: 1, options }] },
      // The rule is one message down.
      { name: "Request", field: [{ name: "inner", number: 1, type: 11, label: 1, typeName: type }] },
    ],
    service: [
      {
        name: "Ruled",
        method: [
          { name: "Say", ...method },
          { name: "Chat", ...method, clientStreaming: true, serverStreaming: true },
        ],
      },
    ],
  });
  const known = [file_buf_validate_validate, ...file_buf_validate_validate.dependencies];
  const registry = createFileRegistry(file, (name) => known.find(({ proto }) => proto.name === name)?.proto);
  return registry.getService("ruled.v1.Ruled") as DescService;
}

const short = ruledService({ type: { case: "string", value: { maxLen: 3n } } });

interface Handled {
  readonly texts: string[];
  readonly routes: (router: ConnectRouter) => void;
}

function handlerOf(service: DescService, interceptors?: Interceptor[]): Handled {
  const texts: string[] = [];
  const note = (request: unknown): object => {
    const { inner } = request as { inner?: { text: string } };
    texts.push(inner?.text ?? "");
    return { text: inner?.text ?? "" };
  };
  const routes = (router: ConnectRouter): void => {
    router.service(
      service,
      {
        say: note,
        async *chat(requests: AsyncIterable<unknown>) {
          for await (const request of requests) yield note(request);
        },
      } as never,
      interceptors && { interceptors },
    );
  };
  return { texts, routes };
}

type AnyClient = {
  say(request: object): Promise<{ text: string }>;
  chat(requests: AsyncIterable<object>): AsyncIterable<{ text: string }>;
};

function clientOf(service: DescService, handled: Handled, onError?: (error: unknown) => void): AnyClient {
  const { transport } = serveStandard(
    { routes: handled.routes, validate: protovalidate() },
    onError && { onError },
  );
  return createClient(service, transport) as unknown as AnyClient;
}

const said = (text: string): object => ({ inner: { text } });

describe("protovalidate()", () => {
  it("lets through what keeps the rules, and refuses what breaks them, with the violations", async () => {
    const handled = handlerOf(short);
    const client = clientOf(short, handled);
    assert.equal((await client.say(said("yes"))).text, "yes");
    const error = await errorOf(client.say(said("too long")));
    assert.equal(error.code, Code.InvalidArgument);
    const [violations] = error.findDetails(ViolationsSchema);
    assert.deepEqual(
      violations?.violations.map(({ ruleId, field: path }) => [
        ruleId,
        path?.elements.map(({ fieldName }) => fieldName),
      ]),
      [["string.max_len", ["inner", "text"]]],
    );
    assert.deepEqual(handled.texts, ["yes"]);
  });

  it("checks every message of a stream", async () => {
    const handled = handlerOf(short);
    const error = await errorOf(
      all(clientOf(short, handled).chat(streamOf(said("a"), said("too long"), said("b")))),
    );
    assert.equal(error.code, Code.InvalidArgument);
    assert.deepEqual(handled.texts, ["a"]);
  });

  it("holds for services with interceptors of their own, outside of them", async () => {
    let ran = 0;
    const count: Interceptor = (next) => (request) => {
      ran++;
      return next(request);
    };
    const client = clientOf(short, handlerOf(short, [count]));
    assert.equal((await errorOf(client.say(said("too long")))).code, Code.InvalidArgument);
    assert.equal(ran, 0);
    await client.say(said("yes"));
    assert.equal(ran, 1);
  });

  it("blames a rule that cannot be run on the server", async () => {
    const broken = ruledService({ cel: [{ id: "broken", expression: "this.no.such(" }] });
    const told: unknown[] = [];
    const client = clientOf(broken, handlerOf(broken), (error) => told.push(error));
    const error = await errorOf(client.say(said("yes")));
    assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"]);
    assert.equal(told.length, 1);
  });

  it("leaves services without rules alone", async () => {
    const validation = protovalidate();
    assert.deepEqual(
      EchoService.methods.filter((method) => validation.appliesTo(method)),
      [],
    );
    const { transport } = serveStandard({ routes: echoRoutes, validate: validation });
    assert.equal((await createClient(EchoService, transport).echo({ text: "hi" })).text, "hi");
  });
});
