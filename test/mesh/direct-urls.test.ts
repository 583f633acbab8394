import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Hono } from "hono";
import type { TlsIdentity } from "../../src/core/identity.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Runtime } from "../../src/net/port.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { metricValue } from "../support/metric-value.ts";
import { echoLake } from "./echo-lake.ts";

const api = new Hono().all("/v1/*", (c) => c.json({ path: c.req.path, headers: c.req.header() }));

interface Seen {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

describe("a client for a URL", () => {
  it("calls within its path by REST, and tells it the trace and no more", async () => {
    const { mesh, requests } = lakeOf((request) => api.fetch(request), {
      layers: {
        client: {
          call: [
            () => () => {
              throw new Error("a layer sees what goes outside");
            },
          ],
        },
      },
    });
    const client = mesh.rest("https://api.example.com:8443/v1/", { headers: { authorization: "Bearer t" } });
    assert.equal(client.service, "api.example.com:8443");
    const { path, headers } = await client.get("datasets/weather", { query: { limit: 1 } }).json<Seen>();
    assert.equal(requests[0]?.url, "https://api.example.com:8443/v1/datasets/weather?limit=1");
    assert.equal(path, "/v1/datasets/weather");
    assert.equal(headers.authorization, "Bearer t");
    assert.match(headers.traceparent ?? "", /^00-/);
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith("mesh-") || name === "x-request-id"),
      [],
    );
    assert.throws(() => client.extend({ timeoutMs: 1_000 }).get("../x"), /has a segment/);
  });

  it("calls by RPC, and tells it the trace and no more", async () => {
    const serve = echoLake();
    const { mesh, requests } = lakeOf((request) => serve(request));
    const transport = mesh.transport("https://api.example.com");
    assert.equal(transport.service, "api.example.com");
    const echo = createClient(EchoService, transport);
    assert.equal((await echo.echo({ text: "hello" })).text, "hello");
    const headers = requests[0]?.headers;
    assert.equal(new URL(requests[0]?.url ?? "").origin, "https://api.example.com");
    assert.match(headers?.get("traceparent") ?? "", /^00-/);
    assert.equal(headers?.get("x-request-id"), null);
    assert.equal(headers?.get("mesh-attempt"), null);
    assert.deepEqual(
      mesh.endpoints().map(({ service, origin }) => [service, origin]),
      [["api.example.com", "https://api.example.com"]],
    );
  });

  it("goes by the policies of its origin or host, and else by those of all", async () => {
    const { mesh, requests, clock } = lakeOf(() => new Response("", { status: 503 }), {
      policies: {
        "*": { retry: false, timeoutMs: 2_000 },
        "https://one.example.com": { retry: { maxAttempts: 2 } },
        "two.example.com:8443": {
          methods: { "GET /v1/slow": { timeoutMs: 9_000, retry: { maxAttempts: 3 } } },
        },
      },
    });
    const attempts = async (url: string, path: string): Promise<number> => {
      const before = requests.length;
      await clock.run(errorOf(mesh.rest(url).get(path)));
      return requests.length - before;
    };
    assert.equal(await attempts("https://one.example.com/v1", "x"), 2);
    assert.equal(await attempts("https://two.example.com:8443/v1", "x"), 1);
    assert.equal(await attempts("https://two.example.com:8443/v1", "slow"), 3);
    assert.equal(await attempts("https://three.example.com", "x"), 1);
    const labels = { service: "one.example.com" };
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", labels), 1);
  });

  it("does not show the identity of the mesh, which goes to its own services alone", async () => {
    const opened: string[] = [];
    const serve = echoLake();
    const web = createWebRuntime({ fetch: (url, init) => serve(new Request(url, init)) });
    const runtime: Runtime = {
      ...web,
      openHttpTransport(options) {
        opened.push(`http ${options.tls?.cert}`);
        return web.openHttpTransport({ ...options, tls: undefined });
      },
      openRpcTransport(options) {
        opened.push(`${options.origin} ${options.tls?.cert}`);
        return web.openRpcTransport({ ...options, tls: undefined });
      },
    };
    const tls: TlsIdentity = { cert: "mine", key: "mine", ca: "mine" };
    const { mesh } = lakeOf(() => new Response("ok"), { runtime, tls });
    await createClient(EchoService, mesh.transport("lake")).echo({ text: "" });
    await createClient(EchoService, mesh.transport("https://lake.test")).echo({ text: "" });
    await createClient(EchoService, mesh.transport("http://lake.test")).echo({ text: "" });
    assert.equal(await mesh.rest("https://lake.test").get("x").text(), "ok");
    assert.deepEqual(opened, [
      "http mine",
      "http://lake.test mine",
      "https://lake.test undefined",
      "http://lake.test undefined",
      "http undefined",
    ]);
    await mesh.close();
    assert.match((await errorOf(mesh.rest("https://lake.test").get("x"))).message, /closed/);
  });

  it("is refused where the URL makes no sense", () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    const refused: [run: () => unknown, message: string][] = [
      [
        () => mesh.rest(""),
        `Cannot make a client: the service's name is ""; pass the name that the resolver knows it by, or a URL`,
      ],
      [
        () => mesh.rest(7 as never),
        "Cannot make a client: the service's name is number; pass the name that the resolver knows it by, or a URL",
      ],
      [
        () => mesh.rest("https://"),
        'Cannot make a client: it is for "https://", which is no URL; pass one such as "https://api.example.com/v1"',
      ],
      [
        () => mesh.rest("wss://api.example.com"),
        'Cannot make a client: it is for "wss://api.example.com", which is neither http nor https; pass one that is',
      ],
      [
        () => mesh.rest("mesh://lake/x"),
        'Cannot make a client: it is for the URL "mesh://lake/x"; pass the name of the service: "lake"',
      ],
      [
        () => mesh.rest("https://me:secret@api.example.com"),
        "Cannot make a client: it is for a URL of api.example.com that holds a user name or password; pass credentials in the authorization header",
      ],
      [
        () => mesh.rest("https://api.example.com/?key=secret"),
        "Cannot make a client: it is for a URL of api.example.com with a query or a fragment; pass the query as an option",
      ],
      [
        () => mesh.transport("https://api.example.com/v1"),
        'Cannot make a transport: the URL "https://api.example.com/v1" has a path, which RPC has no place for; pass "https://api.example.com"',
      ],
      [
        () => createMesh({ service: "a", policies: { "https://api.example.com/v1": {} } }),
        'Cannot make the policies of createMesh(): an entry is for "https://api.example.com/v1", which goes beyond scheme, host and port; pass "https://api.example.com"',
      ],
      [
        () => createMesh({ service: "a", policies: { "https://a.example.com": {}, "a.example.com": {} } }),
        "Cannot make the policies of createMesh(): two entries are for a.example.com; leave one of them out",
      ],
    ];
    for (const [run, message] of refused) assert.throws(run, { name: "TypeError", message });
  });
});
