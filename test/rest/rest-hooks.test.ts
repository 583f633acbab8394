import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError } from "../../src/core/errors.ts";
import { isHttpError } from "../../src/rest/http-error.ts";
import { bodyOf, errorOf, lakeOf } from "./lake.ts";

const retry = { backoff: () => 0 };

describe("hooks of a REST client", () => {
  it("run around each attempt, those of the request after those of the client", async () => {
    const { mesh, requests } = lakeOf(
      (_, number) => new Response("ok", { status: number === 1 ? 503 : 200 }),
    );
    const seen: string[] = [];
    const see = (text: string): void => void seen.push(text);
    const lake = mesh.rest("lake", {
      retry,
      hooks: {
        beforeRequest: [
          ({ request, retryCount }) => see(`${request.method} ${request.target} ${retryCount}`),
        ],
        beforeRetry: [({ error }) => see((error as Error).message)],
        afterResponse: [({ response }) => see(`${response.status} at ${response.url}`)],
      },
    });
    const hooks = { afterResponse: [async () => void seen.push("own")] };
    assert.equal(await lake.get("x", { hooks }).text(), "ok");
    assert.deepEqual(seen, [
      "GET /x 0",
      "503 at http://lake.test/x",
      "own",
      "GET lake/x returned 503 Service Unavailable",
      "GET /x 1",
      "200 at http://lake.test/x",
      "own",
    ]);
    assert.equal(requests.length, 2);
  });

  it("set headers, for the attempts that follow, too", async () => {
    const { mesh, requests } = lakeOf((_, number) => new Response("", { status: number < 3 ? 503 : 200 }));
    const lake = mesh.rest("lake", {
      retry,
      headers: { "x-tenant": "a" },
      hooks: {
        beforeRequest: [
          async ({ request, retryCount }) => {
            if (retryCount === 0) request.headers.set("authorization", "Bearer old");
          },
        ],
        beforeRetry: [
          ({ request, retryCount }) => {
            if (retryCount === 1) request.headers.set("authorization", "Bearer new");
          },
        ],
      },
    });
    await lake.get("x");
    assert.deepEqual(
      requests.map(({ headers }) => [headers.get("authorization"), headers.get("x-tenant")]),
      [
        ["Bearer old", "a"],
        ["Bearer new", "a"],
        ["Bearer new", "a"],
      ],
    );
  });

  it("respond in the service's place", async () => {
    const { mesh, requests } = lakeOf(() => new Response("from the lake"));
    const lake = mesh.rest("lake", { hooks: { beforeRequest: [() => new Response("from the cache")] } });
    assert.equal(await lake.get("x").text(), "from the cache");
    assert.equal(requests.length, 0);
    assert.match(await mesh.metrics.exposition(), /mesh_client_in_flight 0/);
  });

  it("call again with another token, and give that response back", async () => {
    const { mesh, requests } = lakeOf((request) =>
      request.headers.get("authorization") === "Bearer new"
        ? new Response("rows")
        : new Response("expired", { status: 401 }),
    );
    const plain = mesh.rest("lake");
    const lake = plain.extend({
      hooks: {
        afterResponse: [
          ({ request, response, call }) =>
            response.status === 401
              ? plain.get(request.target, { headers: { authorization: "Bearer new" }, parent: call })
              : undefined,
        ],
      },
    });
    assert.equal(await lake.get("datasets?limit=1", { timeoutMs: 700 }).text(), "rows");
    assert.equal(requests[1]?.headers.get("mesh-timeout-ms"), "700");
    assert.equal(requests[1]?.url, "http://lake.test/datasets?limit=1");
    assert.match(await mesh.metrics.exposition(), /mesh_client_in_flight 0/);
  });

  it("read the body, which the other hooks and the caller can read as well", async () => {
    const { mesh } = lakeOf(() => new Response(bodyOf(['{"fault":', "null}"])));
    const bodies: unknown[] = [];
    const read = async ({ response }: { response: { json(): Promise<unknown> } }) => {
      bodies.push(await response.json(), await response.json());
    };
    const lake = mesh.rest("lake", { hooks: { afterResponse: [read, read] } });
    assert.deepEqual(await lake.get("x").json(), { fault: null });
    assert.equal(bodies.length, 4);
    assert.deepEqual(bodies[3], { fault: null });
    let text = "";
    for await (const line of lake.get("x").lines()) text += line;
    assert.equal(text, '{"fault":null}');
  });

  it("leave a body alone that they do not read: it streams", async () => {
    const { mesh } = lakeOf(() => new Response(bodyOf(["a", "b"], "never")));
    const lake = mesh.rest("lake", { hooks: { afterResponse: [() => undefined] } });
    for await (const chunk of lake.get("x").stream()) {
      assert.equal(new TextDecoder().decode(chunk), "a");
      break;
    }
    assert.match(await mesh.metrics.exposition(), /mesh_client_in_flight 0/);
  });

  it("put another error in the place of one, whatever failed", async () => {
    const { mesh } = lakeOf(() => Response.json({ code: "no-such-set" }, { status: 404 }));
    class LakeError extends Error {}
    const lake = mesh.rest("lake", {
      hooks: {
        beforeError: [
          async ({ error }) =>
            isHttpError(error)
              ? new LakeError((await error.response.json<{ code: string }>()).code, { cause: error })
              : undefined,
          ({ error }) => assert.ok(error instanceof LakeError),
        ],
      },
    });
    const error = await errorOf(lake.get("x"));
    assert.ok(error instanceof LakeError);
    assert.equal(error.message, "no-such-set");
    assert.equal((await errorOf(lake.get("x", { throwHttpErrors: true }).text())).message, "no-such-set");
    assert.equal((await lake.get("x", { throwHttpErrors: false })).status, 404);
  });

  it("end the call when they throw, without another attempt, and hold nothing", async () => {
    const { mesh, requests } = lakeOf(() => new Response(bodyOf(["x"], "never")));
    const throwing = (): never => {
      throw new MeshError("ERR_TRANSPORT", "the token service is down");
    };
    const before = mesh.rest("lake", { retry, hooks: { beforeRequest: [throwing] } });
    assert.equal((await errorOf(before.get("x"))).message, "the token service is down");
    assert.equal(requests.length, 0);
    const after = mesh.rest("lake", { retry, hooks: { afterResponse: [async () => throwing()] } });
    assert.equal((await errorOf(after.get("x"))).message, "the token service is down");
    assert.equal(requests.length, 1);
    assert.match(await mesh.metrics.exposition(), /mesh_client_in_flight 0/);
    assert.equal(mesh.endpoints()[0]?.inFlight, 0);
  });

  it("stop the retry when one before it throws", async () => {
    const { mesh, requests } = lakeOf(() => new Response("", { status: 503 }));
    const lake = mesh.rest("lake", {
      retry,
      hooks: {
        beforeRetry: [
          () => {
            throw new Error("enough");
          },
        ],
      },
    });
    assert.equal((await errorOf(lake.get("x"))).message, "enough");
    assert.equal(requests.length, 1);
  });

  it("are waited for until the deadline of the call", async () => {
    const { mesh, clock } = lakeOf(() => new Response("ok"));
    const lake = mesh.rest("lake", { hooks: { beforeRequest: [() => new Promise<undefined>(() => {})] } });
    const error = errorOf(lake.get("x", { timeoutMs: 100 }));
    await clock.advance(100);
    assert.equal(((await error) as MeshError).code, "ERR_DEADLINE_EXCEEDED");
  });

  it("are refused when they make no sense", async () => {
    const { mesh, lake } = lakeOf(() => new Response("ok"));
    const refused: [run: () => unknown, message: string][] = [
      [
        () => mesh.rest("lake", { hooks: { beforeRequests: [] } as never }),
        'Cannot make the hooks of a client of lake: it has no option "beforeRequests"; did you mean "beforeRequest"?',
      ],
      [
        () => lake.extend({ hooks: { beforeRequest: (() => {}) as never } }),
        "Cannot make the hooks of a client of lake: beforeRequest is no array; put the hook in brackets",
      ],
      [
        () => lake.get("x", { hooks: { afterResponse: ["log" as never] } }),
        'Cannot make the hooks of a call to lake: afterResponse[0] is "log"; pass a function or leave it out',
      ],
      [
        () => lake.get("x", { searchParams: { a: 1 } } as never),
        'Cannot make a call to lake: it has no option "searchParams"; did you mean "query"?',
      ],
    ];
    for (const [run, message] of refused) assert.throws(run, { name: "TypeError", message });
    const request = new Request("http://lake.test/");
    const error = await errorOf(lake.get("x", { hooks: { beforeRequest: [() => request as never] } }));
    assert.match(error.message, /^A hook returned a Request; change the headers/);
  });
});

describe("extend()", () => {
  it("adds defaults to those of a client, by name", async () => {
    const { mesh, requests } = lakeOf(() => new Response("ok"));
    const lake = mesh.rest("lake", {
      headers: { accept: "application/json", "x-tenant": "a", "x-old": "1" },
      query: { key: "k", limit: 1 },
      timeoutMs: 1_000,
    });
    const batch = lake.extend({
      headers: { "X-Tenant": "b", "x-old": undefined },
      query: new URLSearchParams("limit=2"),
      timeoutMs: undefined as never,
    });
    await batch.get("x", { query: { limit: undefined, sort: "up" }, headers: { accept: undefined } });
    await lake.get("x");
    assert.deepEqual(
      requests.map(({ url, headers }) => [
        url,
        headers.get("x-tenant"),
        headers.get("x-old"),
        headers.get("mesh-timeout-ms"),
      ]),
      [
        ["http://lake.test/x?key=k&sort=up", "b", null, "1000"],
        ["http://lake.test/x?key=k&limit=1", "a", "1", "1000"],
      ],
    );
    assert.notEqual(requests[0]?.headers.get("accept"), "application/json");
  });
});
