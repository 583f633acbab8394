import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { signal, within } from "../listen/listener-fixture.ts";
import { httpOrigin, newCall, openTransport, send, tcpOrigin } from "./http-transport-fixture.ts";

describe("HTTP transport that comes to an end", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it("stops waiting for a response when the call is cancelled, with its reason", async () => {
    const transport = openTransport(cleanup);
    const came = signal();
    const left = signal();
    const origin = await tcpOrigin(cleanup, (socket) => {
      socket.once("data", () => came.fire());
      socket.once("close", () => left.fire());
    });
    const call = newCall();
    const reason = new Error("no longer needed");
    const answer = send(transport, `${origin}/`, { call });
    await within(came.promise, "the request");
    call.cancel(reason);
    await assert.rejects(answer, (error) => error === reason);
    await within(left.promise, "the connection to end");
  });

  it("sends nothing for a call that was cancelled before", async () => {
    const transport = openTransport(cleanup);
    let requests = 0;
    const origin = await httpOrigin(cleanup, (_request, response) => {
      requests++;
      response.end();
    });
    const call = newCall();
    const reason = new Error("too late");
    call.cancel(reason);
    await assert.rejects(send(transport, `${origin}/`, { call }), (error) => error === reason);
    await (await send(transport, `${origin}/`)).text();
    assert.equal(requests, 1);
  });

  it("stops reading a body when the call is cancelled, with its reason", async () => {
    const transport = openTransport(cleanup);
    const left = signal();
    const origin = await httpOrigin(cleanup, (_request, response) => {
      response.write("begun");
      response.once("close", () => left.fire());
    });
    for (const read of ["text", "body"] as const) {
      const call = newCall();
      const reason = new Error(`no more ${read}`);
      const answer = await send(transport, `${origin}/`, { call });
      const whole = read === "text" ? answer.text() : new Response(answer.body).text();
      call.cancel(reason);
      await assert.rejects(within(whole, "the body"), (error) => error === reason);
    }
    await within(left.promise, "the connection to end");
  });

  it("ends the exchange when the body is cancelled", async () => {
    const transport = openTransport(cleanup);
    const left = signal();
    const origin = await httpOrigin(cleanup, (_request, response) => {
      response.write("begun");
      response.once("close", () => left.fire());
    });
    const { body } = await send(transport, `${origin}/`);
    await body?.cancel();
    await within(left.promise, "the connection to end");
  });

  it("cancels the source of a body that cannot be sent", async () => {
    const transport = openTransport(cleanup);
    const cancelled = signal();
    const origin = await tcpOrigin(cleanup, (socket) => socket.once("data", () => socket.destroy()));
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1_000)),
      cancel: () => cancelled.fire(),
    });
    await assert.rejects(send(transport, `${origin}/`, { method: "POST", body }));
    await within(cancelled.promise, "the source to be cancelled");
  });

  it("closes when the last response is read, and takes no more calls", async () => {
    const transport = openTransport(cleanup);
    const go = signal();
    const began = signal();
    const origin = await httpOrigin(cleanup, async (_request, response) => {
      began.fire();
      await go.promise;
      response.end("last");
    });
    const answer = send(transport, `${origin}/`);
    await within(began.promise, "the request");
    const closed = transport.close();
    await assert.rejects(send(transport, `${origin}/`), { code: "ERR_SHUTTING_DOWN" });
    go.fire();
    assert.equal(await (await answer).text(), "last");
    await within(closed, "the close");
  });

  it("refuses a bound that is none", () => {
    for (const maxConnectionsPerEndpoint of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => openTransport(cleanup, { maxConnectionsPerEndpoint }), RangeError);
    }
  });
});
