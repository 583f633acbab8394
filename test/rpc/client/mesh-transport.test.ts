import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createContextValues, type Interceptor } from "@connectrpc/connect";
import { Call } from "../../../src/core/call.ts";
import { MeshError } from "../../../src/core/errors.ts";
import type { RpcTransport } from "../../../src/rpc/client/rpc-transport.ts";
import { meshCall, meshCallOptions } from "../../../src/rpc/context.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";
import { all, errorOf, serveInProcess, streamOf } from "../echo.ts";
import { inProcessTransport, openClient } from "./mesh-client.ts";

/** Wraps a transport so that the test sees what each attempt is given. */
function spiedTransport(
  seen: { timeoutMs: number | undefined; header: Headers; signal: unknown; call: unknown }[],
): RpcTransport {
  const { transport, close } = inProcessTransport();
  return {
    close,
    transport: {
      unary(method, signal, timeoutMs, header, input, values) {
        seen.push({ timeoutMs, header: new Headers(header), signal, call: values?.get(meshCall) });
        return transport.unary(method, signal, timeoutMs, header, input, values);
      },
      stream: transport.stream,
    },
  };
}

/** A transport that never responds, and stops with its signal. */
const silentTransport: RpcTransport = {
  close: async () => {},
  transport: {
    unary: (_method, signal) => stopped(signal),
    stream: (_method, signal) => stopped(signal),
  },
};

function stopped(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    // As Connect does it.
    signal?.addEventListener("abort", () => reject(ConnectError.from(signal.reason, Code.Canceled)));
  });
}

describe("createMeshTransport()", () => {
  it("carries every kind of call for Connect's own client", async () => {
    const { client, calls } = openClient();
    assert.equal((await client.echo({ text: "one" })).text, "one");
    assert.deepEqual(
      (await all(client.expand({ text: "x", count: 3 }))).map(({ index }) => index),
      [0, 1, 2],
    );
    assert.equal((await client.collect(streamOf({ text: "a" }, { text: "b" }))).text, "a b");
    assert.equal((await all(client.chat(streamOf({ text: "a" }, { text: "b" })))).length, 2);
    assert.deepEqual(
      calls.map(({ operation, outcome }) => [operation.split("/")[1], outcome?.status]),
      [
        ["Echo", "ok"],
        ["Expand", "ok"],
        ["Collect", "ok"],
        ["Chat", "ok"],
      ],
    );
  });

  it("shows header and trailer of the attempt that succeeded", async () => {
    const { client } = openClient();
    const seen: (string | null)[] = [];
    await client.echo(
      { text: "hi" },
      {
        onHeader: (header) => seen.push(header.get("x-echo-header")),
        onTrailer: (trailer) => seen.push(trailer.get("x-echo-trailer")),
      },
    );
    for await (const _ of client.expand(
      { text: "ho", count: 1 },
      { onTrailer: (trailer) => seen.push(trailer.get("x-echo-trailer")) },
    ));
    assert.deepEqual(seen, ["hi", "hi", "ho"]);
  });

  it("describes the call for its layers", async () => {
    const { client, calls } = openClient();
    await client.get({});
    await client.put({});
    await client.echo({});
    await client.echo({}, { headers: { "idempotency-key": "7" } });
    await client.get(
      {},
      { contextValues: createContextValues().set(meshCallOptions, { idempotent: false, priority: 3 }) },
    );
    assert.deepEqual(
      calls.map(({ side, service, protocol, idempotency, priority }) => [
        side,
        service,
        protocol,
        idempotency,
        priority,
      ]),
      [
        ["client", "echo", "connect", "safe", 0],
        ["client", "echo", "connect", "idempotent", 0],
        ["client", "echo", "connect", "unknown", 0],
        ["client", "echo", "connect", "idempotent", 0],
        ["client", "echo", "connect", "unknown", 3],
      ],
    );
  });

  it("gives each attempt the time that is left, and headers of its own", async () => {
    const seen: Parameters<typeof spiedTransport>[0] = [];
    let failures = 1;
    const transport = spiedTransport(seen);
    const { client, clock } = openClient({
      transportFor: () => {
        if (failures-- > 0) return { ...transport, transport: { ...transport.transport, unary: failOnce } };
        return transport;
      },
      decorate: (call, header) => header.set("x-attempt", String(call.attempt)),
    });
    const failOnce: RpcTransport["transport"]["unary"] = (method, signal, timeoutMs, header, input, values) =>
      transport.transport
        .unary(method, signal, timeoutMs, header, input, values)
        .then(() => Promise.reject(new ConnectError("not now", Code.Unavailable)));
    await clock.run(client.get({ text: "a" }, { timeoutMs: 2_000, headers: { "x-own": "kept" } }));
    assert.deepEqual(
      seen.map(({ timeoutMs, header }) => [timeoutMs, header.get("x-attempt"), header.get("x-own")]),
      [
        [2_000, "1", "kept"],
        [1_900, "2", "kept"],
      ],
    );
    assert.ok(seen[0]?.call instanceof Call && seen[1]?.call instanceof Call);
    assert.notEqual(seen[0]?.call, seen[1]?.call);
  });

  it("takes 30 s without a word, and no bound at all for a timeout of 0 or less", async () => {
    const seen: Parameters<typeof spiedTransport>[0] = [];
    const transport = spiedTransport(seen);
    const { client, calls } = openClient({ transportFor: () => transport });
    await client.echo({});
    await client.echo({}, { timeoutMs: 0 });
    await client.echo({}, { timeoutMs: -1 });
    assert.deepEqual(
      seen.map(({ timeoutMs }) => timeoutMs),
      [30_000, undefined, undefined],
    );
    assert.deepEqual([calls[1]?.deadline, calls[2]?.deadline], [Infinity, Infinity]);
  });

  it("writes a time too long for the protocol's milliseconds itself", async () => {
    const seen: Parameters<typeof spiedTransport>[0] = [];
    const transport = spiedTransport(seen);
    const { client } = openClient({ transportFor: () => transport, protocol: "grpc" });
    await client.echo({}, { timeoutMs: 100_000_000_000 });
    assert.equal(seen[0]?.header.get("grpc-timeout"), "1666667M");
    assert.equal(seen[0]?.timeoutMs, 0);
  });

  it("makes no signal for a transport that follows the call", async () => {
    const seen: Parameters<typeof spiedTransport>[0] = [];
    const transport = spiedTransport(seen);
    const { client } = openClient({ transportFor: () => ({ ...transport, followsCall: true }) });
    await client.echo({});
    assert.equal(seen[0]?.signal, undefined);
    assert.ok(seen[0]?.call instanceof Call);
  });

  it("inherits deadline, priority and cancellation from the current call", async () => {
    const clock = new VirtualClock();
    const parent = new Call({
      side: "server",
      protocol: "rest",
      service: "gateway",
      operation: "GET /",
      deadline: clock.now() + 500,
      priority: 2,
    });
    const { client, calls } = openClient({
      clock,
      currentCall: () => parent,
      transportFor: () => silentTransport,
    });
    const answer = errorOf(client.get({}));
    await settle();
    assert.deepEqual([calls[0]?.deadline, calls[0]?.priority], [parent.deadline, 2]);
    parent.cancel(new MeshError("ERR_CANCELLED", "The client went away"));
    const error = await answer;
    assert.deepEqual([error.code, error.rawMessage], [Code.Canceled, "The client went away"]);
  });

  it("says deadline_exceeded when the time is up, never canceled", async () => {
    const { client, clock, outcome } = openClient({ transportFor: () => silentTransport });
    const answer = errorOf(client.get({}, { timeoutMs: 1_000 }));
    await clock.advance(1_010);
    const error = await answer;
    assert.equal(error.code, Code.DeadlineExceeded);
    assert.equal(outcome()?.status, "deadline_exceeded");
    assert.equal(clock.pending, 0);
  });

  it("says canceled after the caller's abort", async () => {
    const { client, outcome } = openClient({ transportFor: () => silentTransport });
    const abort = new AbortController();
    const answer = errorOf(client.get({}, { signal: abort.signal }));
    await settle();
    abort.abort(new Error("enough"));
    const error = await answer;
    assert.deepEqual(
      [error.code, error.rawMessage, (error.cause as Error).message],
      [Code.Canceled, "enough", "enough"],
    );
    assert.equal(outcome()?.kind, "cancelled");
  });

  it("maps what the pipeline refuses, with the reason as cause", async () => {
    const cause = new MeshError("ERR_BREAKER_OPEN", "Cannot call echo: its breaker is open");
    const { client, outcome } = openClient({
      transportFor: () => {
        throw cause;
      },
    });
    const error = await errorOf(client.echo({}));
    assert.deepEqual([error.code, error.cause], [Code.Unavailable, cause]);
    assert.equal(error.rawMessage, cause.message);
    assert.equal(outcome()?.status, "breaker_open");
  });

  it("says what is missing when no layer picks an endpoint", async () => {
    const { client } = openClient({ origins: [] });
    const error = await errorOf(client.echo({}));
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /put a balancer into the pipeline/);
  });

  it("hands on the server's own error as it came", async () => {
    const detail = { type: "some.Detail", value: new Uint8Array([8, 1]) };
    const { fetch } = serveInProcess({
      routes: (router) =>
        router.service(EchoService, {
          echo: () => {
            const error = new ConnectError("taken", Code.AlreadyExists, { "x-hint": "try b" });
            error.details.push(detail);
            throw error;
          },
        }),
    });
    const transport = inProcessTransport(fetch);
    const { client, outcome } = openClient({ transportFor: () => transport });
    const error = await errorOf(client.echo({}));
    assert.deepEqual(
      [error.code, error.rawMessage, error.metadata.get("x-hint")],
      [Code.AlreadyExists, "taken", "try b"],
    );
    assert.deepEqual(
      error.details.map((each) => "type" in each && [each.type, [...each.value]]),
      [["some.Detail", [8, 1]]],
    );
    assert.deepEqual([outcome()?.kind, outcome()?.status], ["success", "already_exists"]);
  });

  it("runs Connect's interceptors once around the call, outermost first", async () => {
    const seen: string[] = [];
    const named =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        seen.push(`${name} ${request.url} ${request.stream}`);
        request.header.set("idempotency-key", "set late");
        const response = await next(request);
        seen.push(`${name} done`);
        return response;
      };
    const { client } = openClient({ interceptors: [named("a"), named("b")] });
    assert.equal((await client.echo({ text: "x" })).text, "x");
    assert.equal((await all(client.expand({ count: 2 }))).length, 2);
    assert.equal((await client.collect(streamOf({ text: "y" }))).text, "y");
    assert.deepEqual(seen.slice(0, 4), [
      "a mesh://echo/datapunk.mesh.test.v1.EchoService/Echo false",
      "b mesh://echo/datapunk.mesh.test.v1.EchoService/Echo false",
      "b done",
      "a done",
    ]);
    assert.equal(seen.length, 12);
  });
});
