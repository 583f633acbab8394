import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, createContextValues } from "@connectrpc/connect";
import { type ClientLayer, callOptions, meshCallOptions } from "../../mod.ts";
import type { Call } from "../../src/core/call.ts";
import { createSource } from "../../src/core/source.ts";
import type { Policies } from "../../src/mesh/client-policy.ts";
import type { MeshOptions } from "../../src/mesh/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { bodyOf, errorOf, type Lake, lakeOf } from "../rest/lake.ts";
import { echoLake } from "./echo-lake.ts";

interface Watched extends Lake {
  /** The calls as layers see them, from outside. */
  readonly calls: readonly Call[];
  /** The milliseconds that each was granted. */
  granted(): readonly number[];
}

function watchedLake(
  policies: MeshOptions["policies"],
  handler: (request: Request, number: number) => Response | Promise<Response> = echoLake(),
): Watched {
  const calls: Call[] = [];
  const watch: ClientLayer = (next) => (call, request) => {
    calls.push(call);
    return next(call, request);
  };
  const lake = lakeOf(handler, { ...(policies && { policies }), layers: { client: { call: [watch] } } });
  const start = lake.clock.now();
  return { ...lake, calls, granted: () => calls.map(({ deadline }) => deadline - start) };
}

/** For errors of Connect, which begin with their code. */
const unanchored = (pattern: RegExp): RegExp => new RegExp(pattern.source.replace(/^\^/, ""));
const busy = (): Response => new Response("busy", { status: 503 });

describe("policies of methods", () => {
  it("hold for the REST calls whose path fits, the most specific first, over those of the service", async () => {
    const { lake, mesh, granted } = watchedLake({
      lake: {
        timeoutMs: 1_000,
        methods: {
          "GET /datasets/*": { timeoutMs: 1 },
          "GET /datasets/:name": { timeoutMs: 2 },
          "GET /datasets/weather": { timeoutMs: 3 },
          "GET /datasets/:name/rows": { timeoutMs: 4 },
          "POST /datasets/:name": { priority: 7 },
          "GET /": { timeoutMs: 5 },
          "GET /a.b/c+d": { timeoutMs: 6 },
        },
      },
    });
    const paths = [
      "datasets/a/b/c",
      "datasets/sea?limit=/rows",
      "datasets/weather",
      "datasets/sea/rows",
      "datasets",
      "",
      "aXb/c+d",
      "a.b/c+d",
    ];
    for (const path of paths) await lake.get(path).text();
    await lake.post("datasets/sea").text();
    assert.deepEqual(granted(), [1, 2, 3, 4, 1_000, 5, 1_000, 6, 1_000]);
    await mesh.fetch("mesh://lake/datasets/sea");
    await lake.get("datasets/sea", { operation: "GET /datasets/weather" }).text();
    await lake.get("datasets/sea", { operation: "GET /datasets/:other" }).text();
    assert.deepEqual(granted().slice(-3), [2, 3, 2]);
  });

  it("hold for RPCs by full name, name and service", async () => {
    const { mesh, granted, calls } = watchedLake({
      lake: {
        methods: {
          "datapunk.mesh.test.v1.EchoService/Get": { timeoutMs: 1 },
          get: { timeoutMs: 2 },
          put: { timeoutMs: 3, priority: 5 },
          "datapunk.mesh.test.v1.EchoService/*": { timeoutMs: 4 },
          "other.v1.EchoService/Echo": { timeoutMs: 5 },
        },
      },
    });
    const echo = createClient(EchoService, mesh.transport("lake"));
    await echo.get({});
    await echo.put({});
    await echo.echo({});
    assert.deepEqual(granted(), [1, 3, 4]);
    assert.deepEqual(
      calls.map(({ priority }) => priority),
      [0, 5, 0],
    );
  });

  it("say what may be repeated, and how often", async () => {
    const { lake, clock, requests } = watchedLake(
      {
        lake: {
          retry: { maxAttempts: 5, backoff: { baseMs: 1 } },
          methods: {
            "POST /query": { idempotent: true },
            "GET /once": { retry: false },
            "GET /twice": { retry: { maxAttempts: 2 } },
            "PUT /x": { idempotent: false },
          },
        },
      },
      busy,
    );
    const attempts: number[] = [];
    for (const [method, path] of [
      ["POST", "query"],
      ["POST", "other"],
      ["GET", "once"],
      ["GET", "twice"],
      ["GET", "other"],
      ["PUT", "x"],
    ] as const) {
      const before = requests.length;
      await clock.run(errorOf(lake.request(method, path)));
      attempts.push(requests.length - before);
    }
    assert.deepEqual(attempts, [5, 1, 1, 2, 5, 1]);
  });

  it("have a time limit of their own for attempts", async () => {
    const { lake, clock, requests } = watchedLake(
      { lake: { methods: { "GET /slow": { attemptTimeoutMs: 100, timeoutMs: 5_000 } } } },
      (_, number) => (number === 1 ? new Promise(() => {}) : new Response("ok")),
    );
    assert.equal(await clock.run(lake.get("slow").text()), "ok");
    assert.equal(requests.length, 2);
  });

  it("of all services and of one are merged, and so are the fields of retry", async () => {
    const { lake, clock, requests, granted } = watchedLake(
      {
        "*": {
          retry: { maxAttempts: 2, backoff: { baseMs: 0 } },
          methods: { "GET /x/:id": { timeoutMs: 7, retry: { maxAttempts: 3 } } },
        },
        lake: {
          timeoutMs: 500,
          retry: { on: { status: 500 } },
          methods: { "GET /x/:name": { priority: 3 } },
        },
      },
      () => new Response("no", { status: 500 }),
    );
    await clock.run(errorOf(lake.get("x/1")));
    assert.equal(requests.length, 3);
    await clock.run(errorOf(lake.get("y")));
    assert.equal(requests.length, 5);
    assert.equal(requests[0]?.headers.get("mesh-priority"), "3");
    assert.equal(granted()[0], 7);
  });

  it("change with the source that they come from", async () => {
    const policies = createSource<Policies>({ lake: { methods: { "GET /x": { timeoutMs: 1 } } } });
    const { lake, granted } = watchedLake(policies);
    await lake.get("x").text();
    policies.set({ lake: { methods: { "GET /x": { timeoutMs: 2 } } } });
    await lake.get("x").text();
    policies.set({});
    await lake.get("x").text();
    assert.deepEqual(granted(), [1, 2, 30_000]);
  });

  it("do not pass on to calls that handlers make on behalf of these", async () => {
    const { lake, mesh, requests, clock, calls } = watchedLake(
      { lake: { methods: { "GET /once": { retry: false } } } },
      busy,
    );
    await clock.run(errorOf(lake.get("once", { retry: { maxAttempts: 2 } })));
    assert.equal(requests.length, 2);
    const [parent] = calls;
    assert.ok(parent);
    await clock.run(errorOf(mesh.rest("lake").get("other", { parent, timeoutMs: 5_000 })));
    assert.equal(requests.length, 5);
  });
});

describe("statuses that retry has rules for", () => {
  it("are repeated below 500 too, with their bodies let go of", async () => {
    let cancelled = 0;
    const { lake, clock, requests } = watchedLake(
      { lake: { retry: { on: [{ status: [409, 425] }] } } },
      (_, number) =>
        number < 3
          ? new Response(
              bodyOf(["wait"], "never", () => {
                cancelled++;
              }),
              { status: 409 },
            )
          : new Response("ok"),
    );
    assert.equal(await clock.run(lake.get("x").text()), "ok");
    assert.deepEqual([requests.length, cancelled], [3, 2]);
  });

  it("come through with their bodies after the last attempt, and when they are not repeated", async () => {
    const { lake, clock } = watchedLake(
      { lake: { retry: { maxAttempts: 2, on: { status: 404 } } } },
      (_, number) => new Response(bodyOf([`number ${number}`]), { status: number < 3 ? 404 : 410 }),
    );
    const read = (): Promise<string> => lake.get("x", { throwHttpErrors: false }).text();
    assert.equal(await clock.run(read()), "number 2");
    assert.equal(await clock.run(read()), "number 3");
  });
});

describe("what a caller says about one call", () => {
  it("wins over the policies, in the same words by REST, by fetch and by RPC", async () => {
    const policies: Policies = {
      lake: { timeoutMs: 9_000, retry: { maxAttempts: 5, backoff: { baseMs: 0 } }, priority: 1 },
    };
    const said = { retry: { maxAttempts: 2 }, idempotent: true, priority: 4, timeoutMs: 800 } as const;
    const { mesh, lake, clock, requests, calls, granted } = watchedLake(policies, busy);
    await clock.run(errorOf(lake.post("x", said)));
    await clock.run(mesh.fetch("mesh://lake/x", { method: "POST", ...said }));
    await clock.run(errorOf(createClient(EchoService, mesh.transport("lake")).echo({}, callOptions(said))));
    assert.equal(requests.length, 6);
    assert.deepEqual(granted(), [800, 800, 800]);
    assert.deepEqual(
      calls.map(({ idempotency, priority }) => [idempotency, priority]),
      Array.from({ length: 3 }, () => ["idempotent", 4]),
    );
  });

  it("switches retries off and on", async () => {
    const off = watchedLake({ lake: { retry: { maxAttempts: 5 } } }, busy);
    await off.clock.run(errorOf(off.lake.get("x", { retry: false })));
    assert.equal(off.requests.length, 1);
    const on = watchedLake({ lake: { retry: false } }, busy);
    await on.clock.run(errorOf(on.lake.get("x")));
    await on.clock.run(errorOf(on.lake.get("x", { retry: { backoff: { baseMs: 0 } } })));
    assert.equal(on.requests.length, 4);
  });

  it("leaves to the policies what is written as undefined, as a file's reader may do", async () => {
    const { lake, clock, requests } = watchedLake(
      { lake: { retry: { maxAttempts: 5, backoff: { baseMs: 0 }, on: { status: 503, retry: false } } } },
      busy,
    );
    await clock.run(errorOf(lake.get("x", { retry: { maxAttempts: undefined, on: undefined } as never })));
    assert.equal(requests.length, 1);
  });

  it("may hold for all calls of a REST client", async () => {
    const { mesh, clock, requests } = watchedLake({}, busy);
    const lake = mesh.rest("lake", { retry: { maxAttempts: 2 } });
    await clock.run(errorOf(lake.get("x")));
    await clock.run(errorOf(lake.get("x", { retry: false })));
    assert.equal(requests.length, 3);
  });

  it("is refused at the call when it makes no sense", async () => {
    const { mesh, lake } = watchedLake({});
    const refused: readonly (readonly [said: object, message: RegExp])[] = [
      [
        { retry: 5 },
        /^Cannot make a call to lake: retry is 5; pass false, or an object such as \{ maxAttempts: 2 \}$/,
      ],
      [{ retry: true }, /retry is true; pass false/],
      [
        { retry: { attempts: 2 } },
        /^Cannot make a call to lake retry: it has no option "attempts"; did you mean "maxAttempts"\?$/,
      ],
      [{ retry: { maxAttempts: 9 } }, /maxAttempts is 9; pass an integer from 1 to 5/],
      [{ retry: { budget: false } }, /it has no option "budget"/],
      [{ idempotent: "yes" }, /idempotent is "yes"; pass true or false/],
      [{ priority: -1 }, /priority is -1/],
      [{ priority: 10_000 }, /priority is 10000; pass an integer from 0 to 9999/],
      [{ waitForReady: 1 }, /waitForReady is 1; pass true or false/],
    ];
    const echo = createClient(EchoService, mesh.transport("lake"));
    for (const [said, message] of refused) {
      assert.throws(() => lake.get("x", said), { message });
      assert.throws(() => mesh.rest("lake", said), { message: /./ });
      assert.match((await errorOf(mesh.fetch("mesh://lake/x", said))).message, message);
      assert.throws(() => callOptions(said));
      const contextValues = createContextValues().set(meshCallOptions, said);
      assert.match((await errorOf(echo.echo({}, { contextValues }))).message, unanchored(message));
    }
    assert.throws(() => lake.get("x", { retries: 2 } as never), {
      message: 'Cannot make a call to lake: it has no option "retries"; did you mean "retry"?',
    });
    assert.throws(() => callOptions({ timeout: 2 } as never), {
      message: 'Cannot make callOptions(): it has no option "timeout"; did you mean "timeoutMs"?',
    });
  });

  it("leaves the standard's priority of a fetch alone", async () => {
    const { mesh, calls } = watchedLake({});
    await (mesh.fetch as typeof fetch)("mesh://lake/x", { priority: "high" } as RequestInit);
    assert.equal(calls[0]?.priority, 0);
  });
});
