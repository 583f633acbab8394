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
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";

/** `text` of the request, with rules: the proto that a user would write, without the compiler. */
export function ruledService(rules: MessageInitShape<typeof FieldRulesSchema>): DescService {
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

/** Three letters and no more. */
export const short: DescService = ruledService({ type: { case: "string", value: { maxLen: 3n } } });

/** What handlers saw of the requests, and the routes that lead to them. */
export interface Handled {
  readonly texts: string[];
  readonly routes: (router: ConnectRouter) => void;
}

/** Serves a {@link ruledService}. */
export function handlerOf(service: DescService, interceptors?: Interceptor[]): Handled {
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

/** A client of a {@link ruledService}: there is no generated code to take types from. */
export type RuledClient = {
  say(request: object): Promise<{ text: string }>;
  chat(requests: AsyncIterable<object>): AsyncIterable<{ text: string }>;
};

/** A request that says this. */
export const said = (text: string): object => ({ inner: { text } });
