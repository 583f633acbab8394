import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, type StreamResponse } from "@connectrpc/connect";
import type { ClientLayer } from "../../mod.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { all } from "../rpc/echo.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";
import { echoLake } from "./echo-lake.ts";

type Made = ReturnType<typeof lakeOf>;
const positions = ["call", "attempt"] as const;

function lakeWith(position: (typeof positions)[number], layer: ClientLayer, serve = echoLake()): Made {
  return lakeOf(serve, {
    layers: { client: { [position]: [layer] } },
    policies: { lake: { maxConcurrent: 5 } },
  });
}

/** Asserts that nothing is under way and no deadline is watched. */
async function assertIdle({ mesh, clock }: Made, what: string): Promise<void> {
  await settle();
  await clock.advance(100);
  assert.equal(await metricValue(mesh.metrics, "mesh_client_in_flight"), 0, what);
  for (const { inFlight } of mesh.endpoints()) assert.equal(inFlight, 0, what);
  assert.equal(clock.pending, 0, what);
}

/** Responds to streams by itself. */
const ownStream: ClientLayer = (next) => async (call, request) => {
  if ("target" in request || request.method.name !== "Expand") return next(call, request);
  async function* messages(): AsyncGenerator<object> {
    yield { index: 7 };
    yield { index: 8 };
  }
  const { method } = request;
  const header = new Headers();
  const response = { stream: true, service: method.parent, method, header, trailer: header };
  return { ...response, message: messages() } as unknown as StreamResponse;
};

describe("an attempt around which a layer", () => {
  it("never settles ends at its deadline", async () => {
    const made = lakeWith("attempt", () => () => new Promise(() => {}));
    const error = await made.clock.run(errorOf(made.lake.get("x", { timeoutMs: 500 })));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
    const echo = createClient(EchoService, made.mesh.transport("lake"));
    await made.clock.run(errorOf(echo.echo({}, { timeoutMs: 500 })));
    await assertIdle(made, "deadline");
  });

  it("never settles ends when its caller loses interest", async () => {
    const made = lakeWith("attempt", () => () => new Promise(() => {}));
    const controller = new AbortController();
    const failed = errorOf(made.lake.get("x", { signal: controller.signal }));
    await settle();
    controller.abort();
    await failed;
    await assertIdle(made, "cancelled");
  });
});

describe("a stream to which a layer responds by itself", () => {
  it("is over when its messages are", async () => {
    for (const position of positions) {
      const made = lakeWith(position, ownStream);
      const echo = createClient(EchoService, made.mesh.transport("lake"));
      const messages = await all(echo.expand({ text: "x" }));
      assert.deepEqual(
        messages.map(({ index }) => index),
        [7, 8],
      );
      await assertIdle(made, position);
    }
  });

  it("is over when its caller loses interest", async () => {
    for (const position of positions) {
      const made = lakeWith(position, ownStream);
      const controller = new AbortController();
      const echo = createClient(EchoService, made.mesh.transport("lake"));
      const failed = (async () => {
        for await (const _ of echo.expand({ text: "x" }, { signal: controller.signal })) controller.abort();
      })();
      await errorOf(failed);
      await assertIdle(made, position);
    }
  });
});

describe("a response that a layer makes of another one", () => {
  it("keeps the deadline, and is one call until the body beneath it ends", async () => {
    for (const position of positions) {
      let cancelled = 0;
      const made = lakeWith(
        position,
        (next) => async (call, request) => new Response(((await next(call, request)) as Response).body),
        async () =>
          new Response(new ReadableStream({ cancel: () => void cancelled++ }, { highWaterMark: 0 })),
      );
      const response = await made.lake.get("x", { timeoutMs: 500 });
      const failed = errorOf(response.text());
      await settle();
      assert.equal(await metricValue(made.mesh.metrics, "mesh_client_in_flight"), 1);
      await made.clock.run(failed);
      await assertIdle(made, position);
      assert.equal(cancelled, 1, position);
    }
  });

  it("holds nothing beyond the deadline when the layer has given the other one up", async () => {
    for (const position of positions) {
      let cancelled = 0;
      const made = lakeWith(
        position,
        (next) => async (call, request) => {
          await next(call, request);
          return new Response("own");
        },
        async () =>
          new Response(new ReadableStream({ cancel: () => void cancelled++ }, { highWaterMark: 0 })),
      );
      assert.equal(await made.lake.get("x", { timeoutMs: 500 }).text(), "own");
      await made.clock.advance(500);
      await assertIdle(made, position);
      assert.equal(cancelled, 1, position);
    }
  });
});

describe("a layer that calls next again", () => {
  /** Calls again when it is not let in. */
  const again: ClientLayer = (next) => async (call, request) => {
    const first = await next(call, request);
    if (!("status" in first) || first.status !== 401) return first;
    await first.text();
    return next(call, request);
  };

  it("has the response, and the outcome, of the second time", async () => {
    for (const position of positions) {
      const made = lakeWith(position, again, async () => new Response(null, { status: 401 }));
      const { mesh, requests, lake } = made;
      assert.match((await errorOf(lake.get("x"))).message, /401/);
      assert.equal(requests.length, 2);
      assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { outcome: "http_401" }), 1);
      await assertIdle(made, position);
    }
  });

  it("is bound by the deadline and by its caller, as the first time was", async () => {
    for (const position of positions) {
      for (const how of ["deadline", "caller"]) {
        let number = 0;
        const hang = (): Promise<Response> => new Promise(() => {});
        const made = lakeWith(position, again, () =>
          ++number === 1 ? Promise.resolve(new Response(null, { status: 401 })) : hang(),
        );
        const controller = new AbortController();
        const failed = errorOf(made.lake.get("x", { timeoutMs: 500, signal: controller.signal }));
        await settle();
        assert.equal(number, 2);
        assert.equal(made.mesh.endpoints()[0]?.inFlight, 1);
        if (how === "caller") controller.abort();
        const error = await made.clock.run(failed);
        if (how === "deadline") assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
        await assertIdle(made, `${position} ${how}`);
      }
    }
  });
});
