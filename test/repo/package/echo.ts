/** A service as users write them: RPC and REST, with a layer on each side and policies. Copied into projects of users. */
import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type StringValueSchema,
} from "@bufbuild/protobuf/wkt";
import { type Client, createClient } from "@connectrpc/connect";
import {
  type ClientLayer,
  type ClientPolicy,
  createMesh,
  type Mesh,
  type MeshOptions,
  type RpcProtocol,
  type RpcRouter,
  type ServerLayer,
  withHeaders,
} from "@datapunk/mesh";
import { Hono } from "hono";

const text = ".google.protobuf.StringValue";
const file = create(FileDescriptorProtoSchema, {
  name: "echo.proto",
  package: "echo.v1",
  syntax: "proto3",
  dependency: ["google/protobuf/wrappers.proto"],
  service: [
    {
      name: "Echo",
      method: [
        { name: "Say", inputType: text, outputType: text },
        { name: "Repeat", inputType: text, outputType: text, serverStreaming: true },
      ],
    },
  ],
});
const registry = createFileRegistry(file, () => file_google_protobuf_wrappers.proto);
const Echo = registry.getService("echo.v1.Echo") as unknown as GenService<{
  say: { methodKind: "unary"; input: typeof StringValueSchema; output: typeof StringValueSchema };
  repeat: {
    methodKind: "server_streaming";
    input: typeof StringValueSchema;
    output: typeof StringValueSchema;
  };
}>;

/** The RPC side of the service. */
export function routes(router: RpcRouter): void {
  router.service(Echo, {
    say: ({ value }, { requestHeader }) => ({ value: `said ${value} for ${requestHeader.get("x-tenant")}` }),
    async *repeat({ value }) {
      yield { value: `${value} 1` };
      yield { value: `${value} 2` };
    },
  });
}

/** The service, and what its layer and its app saw. */
export interface EchoService {
  readonly mesh: Mesh;
  readonly app: ReturnType<Mesh["app"]>;
  readonly served: () => number;
}

/** Makes the service; its first response to `/once` is a failure that is worth another attempt. */
export function echoService(options: Partial<MeshOptions> = {}): EchoService {
  let served = 0;
  const counting: ServerLayer = (next) => (call, request) => {
    served++;
    return next(call, request);
  };
  const mesh = createMesh({
    ...options,
    service: "echo",
    layers: { server: { request: [counting] } },
    server: { rateLimit: false, methods: { "GET /hello/:name": { maxConcurrent: 100 } } },
  });
  const app = mesh.app();
  let asked = 0;
  app.get("/hello/:name", (c) => c.json({ hello: c.req.param("name"), tenant: c.req.header("x-tenant") }));
  app.get("/once", (c) => (++asked === 1 ? c.text("not yet", 503) : c.text(`after ${asked}`)));
  return { mesh, app, served: () => served };
}

const tenant: ClientLayer = (next) => (call, request) =>
  next(call, withHeaders(request, { "x-tenant": "blue" }));
const policies: Readonly<Record<string, ClientPolicy>> = {
  "*": { timeoutMs: 20_000, breaker: { failureRate: 0.9 } },
  echo: { retry: { maxAttempts: 3 }, maxConcurrent: 50 },
};

/** Calls the service in every way, and tells what came back. */
export async function callEcho(
  options: Partial<MeshOptions>,
  protocols: readonly RpcProtocol[],
): Promise<Record<string, unknown>> {
  const mesh = createMesh({
    ...options,
    service: "caller",
    policies,
    layers: { client: { call: [tenant] } },
  });
  const lake = mesh.rest("echo", { headers: { accept: "application/json" } });
  const found: Record<string, unknown> = {
    runtime: mesh.runtime.name,
    isHono: mesh.app() instanceof Hono,
    rest: await lake.get("hello/you", { query: { limit: 1 } }).json<{ hello: string; tenant: string }>(),
    retried: await lake.get("once").text(),
    fetched: (await mesh.fetch("mesh://echo/hello/me")).status,
  };
  for (const protocol of protocols) {
    const client: Client<typeof Echo> = createClient(Echo, mesh.transport("echo", { protocol }));
    const words = [(await client.say({ value: "hi" })).value];
    for await (const { value } of client.repeat({ value: "again" })) words.push(value);
    found[protocol] = words;
  }
  await mesh.close();
  return found;
}
