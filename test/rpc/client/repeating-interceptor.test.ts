import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import type { RpcTransport } from "../../../src/rpc/client/rpc-transport.ts";
import { settle } from "../../support/virtual-clock.ts";
import { all, errorOf } from "../echo.ts";
import { inProcessTransport, openClient } from "./mesh-client.ts";

/** Calls again when it is not let in, with another token for example. */
const again: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch {
    return next(request);
  }
};

/** Refuses the first call; the next ones are `then`'s. */
function refusing(then: RpcTransport["transport"]["unary"]): RpcTransport {
  const { transport, close } = inProcessTransport();
  let first = true;
  return {
    close,
    transport: {
      ...transport,
      unary(...args) {
        if (!first) return then(...args);
        first = false;
        return Promise.reject(new ConnectError("no token", Code.Unauthenticated));
      },
    },
  };
}

describe("an interceptor that calls again", () => {
  it("has the response of the second time", async () => {
    const { transport } = inProcessTransport();
    const refused = refusing(transport.unary);
    const { client, attempts } = openClient({ interceptors: [again], transportFor: () => refused });
    assert.equal((await client.echo({ text: "hi" })).text, "hi");
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome?.status),
      ["unauthenticated", "ok"],
    );
  });

  it("is bound by the deadline and by its caller, as the first time was", async () => {
    for (const how of ["deadline", "caller"]) {
      const hanging = refusing(
        (_method, signal) =>
          new Promise((_resolve, reject) => {
            signal?.addEventListener("abort", () => reject(signal.reason));
          }),
      );
      const { client, clock, attempts } = openClient({ interceptors: [again], transportFor: () => hanging });
      const controller = new AbortController();
      const failed = errorOf(client.echo({}, { signal: controller.signal, timeoutMs: 500 }));
      await settle();
      if (how === "caller") controller.abort();
      const { code } = (await clock.run(failed)) as ConnectError;
      assert.equal(code, how === "caller" ? Code.Canceled : Code.DeadlineExceeded);
      await settle();
      assert.deepEqual(
        attempts.map(({ outcome }) => outcome?.status),
        ["unauthenticated", how === "caller" ? "cancelled" : "deadline_exceeded"],
      );
    }
  });
});

describe("an interceptor that responds to a stream by itself", () => {
  it("ends the call with its messages", async () => {
    let ended = "";
    const own: Interceptor = () => async (request) => {
      request.signal.addEventListener("abort", () => {
        ended = "aborted";
      });
      async function* messages(): AsyncGenerator<object> {
        yield { index: 7 };
      }
      const { method, header } = request;
      const response = { stream: true, service: method.parent, method, header, trailer: header };
      return { ...response, message: messages() } as unknown as StreamResponse;
    };
    const controller = new AbortController();
    const { client } = openClient({ interceptors: [own] });
    const listeners = new Set<unknown>();
    const { signal } = controller;
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (_type: string, listener: unknown) => listeners.add(listener);
    signal.removeEventListener = (type: string, listener: EventListener) => {
      listeners.delete(listener);
      remove(type, listener);
    };
    assert.equal((await all(client.expand({}, { signal }))).length, 1);
    assert.deepEqual([listeners.size, ended], [0, ""]);
  });
});
