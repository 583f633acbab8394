import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { Call } from "../../src/core/call.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { meshCall } from "../../src/rpc/context.ts";
import { withHttpStatus } from "../../src/rpc/http-status.ts";
import type { RpcLeaf } from "../../src/rpc/leaf.ts";
import { CapableProtocol } from "../../src/rpc/protocol-choice.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { serveInProcess } from "./echo.ts";
import { inProcessLeaf } from "./mesh-client.ts";

const origin = "https://echo.test";
const { echo } = EchoService.method;

/** A choice between a gRPC that is refused after so many milliseconds, and a Connect whose requests are recorded. */
function choiceAfter(refusalMs: number) {
  const clock = new VirtualClock();
  const refusing = async (): Promise<never> => {
    await clock.advance(refusalMs);
    throw withHttpStatus(new ConnectError("HTTP 415", Code.Unknown), 415);
  };
  const grpc: RpcLeaf = { transport: { unary: refusing, stream: refusing }, close: async () => {} };
  const seen: (string | null)[] = [];
  const { fetch } = serveInProcess();
  const connect = inProcessLeaf((url, init) => {
    seen.push(new Headers(init?.headers).get("connect-timeout-ms"));
    return fetch(url, init);
  });
  const endpoints = [{ origin }];
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
    const { transport } = choice.leafFor(origin);
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
});
