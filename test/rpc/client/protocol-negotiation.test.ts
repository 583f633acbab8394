import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { Call } from "../../../src/core/call.ts";
import { isMeshError, TransportError } from "../../../src/core/errors.ts";
import { withHttpStatus } from "../../../src/rpc/client/http-status.ts";
import { CapableProtocol } from "../../../src/rpc/client/protocol-negotiation.ts";
import type { RpcTransport } from "../../../src/rpc/client/rpc-transport.ts";
import { meshCall } from "../../../src/rpc/context.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { serveInProcess } from "../echo.ts";
import { inProcessTransport } from "./mesh-client.ts";

const origin = "https://echo.test";
const { echo } = EchoService.method;

/** A choice between a gRPC that is refused after so many milliseconds, and a Connect whose requests are recorded. */
function choiceAfter(refusalMs: number) {
  const clock = new VirtualClock();
  const refusing = async (): Promise<never> => {
    await clock.advance(refusalMs);
    throw withHttpStatus(new ConnectError("HTTP 415", Code.Unknown), 415);
  };
  const grpc: RpcTransport = { transport: { unary: refusing, stream: refusing }, close: async () => {} };
  const seen: (string | null)[] = [];
  const { fetch } = serveInProcess();
  const connect = inProcessTransport((url, init) => {
    seen.push(new Headers(init?.headers).get("connect-timeout-ms"));
    return fetch(url, init);
  });
  const endpoints = [{ endpoint: { origin } }];
  const choice = new CapableProtocol(
    () => endpoints,
    (protocol) => (protocol === "grpc" ? grpc : connect),
    undefined,
    clock,
  );
  function call(timeoutMs: number | undefined, deadlineMs: number): Promise<unknown> {
    const deadline = clock.now() + deadlineMs;
    const made = new Call({ side: "client", protocol: "grpc", service: "s", operation: "o", deadline });
    const values = createContextValues().set(meshCall, made);
    const { transport } = choice.transportFor(origin);
    return transport.unary(echo, undefined, timeoutMs, undefined, { text: "" }, values);
  }
  return { call, choice, seen };
}

describe("the choice of the protocol", () => {
  it("repeats a refused call by Connect with the time that is left, and remembers", async () => {
    const { call, choice, seen } = choiceAfter(400);
    assert.equal(choice.protocol, "grpc");
    await call(2000, 2000);
    assert.equal(choice.protocol, "connect");
    await call(2000, 2000);
    assert.deepEqual(seen, ["1600", "2000"]);
  });

  it("leaves a timeout that was not stated alone", async () => {
    for (const [timeoutMs, deadlineMs] of [
      [undefined, Infinity],
      [0, 2000],
      [undefined, 2000],
    ] as const) {
      const { call, seen } = choiceAfter(400);
      await call(timeoutMs, deadlineMs);
      assert.deepEqual(seen, [null]);
    }
  });

  it("does not repeat a call whose time the refusal took", async () => {
    for (const refusalMs of [2000, 2500]) {
      const { call, seen } = choiceAfter(refusalMs);
      await assert.rejects(call(2000, 2000), (error) => isMeshError(error, "ERR_DEADLINE_EXCEEDED"));
      assert.deepEqual(seen, []);
    }
  });

  /** Endpoints that each refuse gRPC or not, as the test says, and which way the calls went. */
  function choiceBetween(...origins: string[]) {
    const clock = new VirtualClock();
    const refusing = new Map<string, "415" | "HTTP/1.1">();
    const ways: string[] = [];
    const open =
      (http: string) =>
      (protocol: string, to: string): RpcTransport => {
        const unary = async (): Promise<never> => {
          ways.push(`${protocol}${http} ${to}`);
          const refusal = protocol === "grpc" ? refusing.get(to) : undefined;
          if (refusal === "415") throw withHttpStatus(new ConnectError("HTTP 415", Code.Unknown), 415);
          if (refusal !== undefined) {
            const fault = new TransportError("no-http2", "HTTP/1.1 alone");
            throw new ConnectError("HTTP/1.1 alone", Code.Unavailable, undefined, undefined, fault);
          }
          return undefined as never;
        };
        return { transport: { unary, stream: unary }, close: async () => {} };
      };
    const endpoints = origins.map((each) => ({ endpoint: { origin: each } }));
    const choice = new CapableProtocol(() => endpoints, open(""), open("/1.1"), clock);
    async function call(to: string): Promise<readonly string[]> {
      ways.length = 0;
      await choice.transportFor(to).transport.unary(echo, undefined, undefined, undefined, { text: "" });
      return [...ways];
    }
    return { clock, choice, refusing, call };
  }

  for (const [refusal, way] of [
    ["415", "connect a"],
    ["HTTP/1.1", "connect/1.1 a"],
  ] as const) {
    it(`returns to gRPC half a minute after an endpoint refused it: ${refusal}`, async () => {
      const { clock, choice, refusing, call } = choiceBetween("a");
      refusing.set("a", refusal);
      assert.deepEqual(await call("a"), ["grpc a", way]);
      assert.deepEqual(await call("a"), [way]);
      assert.equal(choice.protocol, "connect");
      refusing.clear();
      await clock.advance(29_999);
      assert.deepEqual(await call("a"), [way]);
      await clock.advance(1);
      assert.equal(choice.protocol, "grpc");
      assert.deepEqual(await call("a"), ["grpc a"]);
    });
  }

  it("asks an endpoint that keeps on refusing ever more rarely, every ten minutes at least", async () => {
    const { clock, refusing, call } = choiceBetween("a");
    refusing.set("a", "HTTP/1.1");
    for (const seconds of [30, 60, 120, 240, 480, 600, 600]) {
      assert.deepEqual(await call("a"), ["grpc a", "connect/1.1 a"]);
      await clock.advance(seconds * 1000 - 1);
      assert.deepEqual(await call("a"), ["connect/1.1 a"]);
      await clock.advance(1);
    }
    refusing.clear();
    assert.deepEqual(await call("a"), ["grpc a"]);
    await clock.advance(601_000);
    refusing.set("a", "HTTP/1.1");
    await call("a");
    await clock.advance(30_000);
    assert.deepEqual(await call("a"), ["grpc a", "connect/1.1 a"]);
  });

  it("is made for each endpoint by itself", async () => {
    const { choice, refusing, call } = choiceBetween("a", "b");
    refusing.set("a", "HTTP/1.1");
    await call("a");
    assert.deepEqual(await call("a"), ["connect/1.1 a"]);
    assert.deepEqual(await call("b"), ["grpc b"]);
    assert.equal(choice.protocol, "grpc");
    refusing.set("b", "415");
    await call("b");
    assert.equal(choice.protocol, "connect");
  });
});
