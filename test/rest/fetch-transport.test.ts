import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError, isTransportError, MeshError } from "../../src/core/errors.ts";
import { settle } from "../support/virtual-clock.ts";
import { bodyOf, drain, errorOf } from "./lake.ts";
import { gate, newCall, send, transportOver } from "./transport-over.ts";

describe("createFetchTransport()", () => {
  it("sends what it is given, with the platform's own options, and shows redirects as they are", async () => {
    let seen: RequestInit & { client?: string } = {};
    const transport = transportOver(
      (_, init) => {
        seen = init;
        return new Response(null, { status: 302, headers: { location: "/y" } });
      },
      { init: { client: "special" } },
    );
    const response = await send(transport);
    assert.equal(response.status, 302);
    assert.deepEqual([seen.method, seen.redirect, seen.client], ["GET", "manual", "special"]);
    assert.deepEqual(seen.headers, { a: "b" });
  });

  it("streams the upload half-duplex", async () => {
    const transport = transportOver(async (url, init) => {
      assert.equal((init as { duplex?: string }).duplex, "half");
      return new Response(await new Request(url, init).text());
    });
    const response = await send(transport, newCall(), "http://lake.test/x", bodyOf(["a", "b"]));
    assert.equal(await response.text(), "ab");
  });

  it("ends the call with the outcome when the body has been read", async () => {
    const call = newCall();
    const response = await send(
      transportOver(() => new Response("hello")),
      call,
    );
    assert.deepEqual([response.settled, call.outcome], [false, undefined]);
    assert.equal(await response.text(), "hello");
    assert.deepEqual([response.settled, call.outcome?.status], [true, "ok"]);
  });

  it("ends the call at once when there is no body", async () => {
    for (const answer of [
      () => new Response(null, { status: 204 }),
      () => new Response("", { headers: { "content-length": "0" } }),
    ]) {
      const call = newCall();
      const response = await send(transportOver(answer), call);
      assert.deepEqual([response.settled, response.body, call.outcome?.kind], [true, null, "success"]);
      assert.equal(await response.text(), "");
      assert.equal((await response.bytes()).byteLength, 0);
    }
  });

  it("fails when fetch returns no response, and gives the place back", async () => {
    for (const none of [undefined, null, 7, {}, { status: 200 }]) {
      const transport = transportOver(() => none as unknown as Response, { maxConnectionsPerEndpoint: 1 });
      for (let time = 1; time <= 2; time++) {
        assert.match(
          (await errorOf(send(transport))).message,
          /fetch returned none; have it return a Response/,
        );
      }
      await transport.close();
    }
  });

  it("forgets the encoding that fetch has undone", async () => {
    const headers = { "content-encoding": "gzip", "content-length": "7", etag: "e" };
    const response = await send(transportOver(() => new Response("decoded", { headers })));
    assert.deepEqual(
      ["content-encoding", "content-length", "etag"].map((name) => response.headers.get(name)),
      [null, null, "e"],
    );
  });

  it("turns a fault of the connection into a TransportError that names service, origin and cause", async () => {
    const cause = new TypeError("refused");
    const call = newCall();
    const error = await errorOf(
      send(
        transportOver(() => Promise.reject(cause)),
        call,
      ),
    );
    assert.ok(isTransportError(error));
    assert.deepEqual([error.fault, error.neverStarted, error.cause], ["refused", true, cause]);
    assert.match(error.message, /^Cannot reach lake at http:\/\/lake\.test: the connection was refused/);
  });

  it("shows an error of another kind as it is", async () => {
    const mistake = new RangeError("no such option");
    assert.equal(
      await errorOf(
        send(
          transportOver(() => {
            throw mistake;
          }),
        ),
      ),
      mistake,
    );
  });

  it("turns a fault in the middle of the body into one, whole or as a stream", async () => {
    const broken = (): Response => new Response(bodyOf(["a"], new TypeError("reset")));
    for (const how of ["text", "bytes", "stream"] as const) {
      const call = newCall();
      const response = await send(transportOver(broken), call);
      const error = await errorOf(
        how === "stream" ? new Response(response.body as never).text() : response[how](),
      );
      assert.ok(isTransportError(error), `${how}: ${error}`);
      assert.match(
        error.message,
        /^Cannot read the response of lake at http:\/\/lake\.test: the connection was reset/,
      );
      assert.equal(call.outcome?.status, "transport_reset");
    }
  });

  it("gives the call's reason to the caller that waits for the response, although fetch does not listen", async () => {
    const { fetch, open } = gate();
    const call = newCall();
    const failed = errorOf(send(transportOver(fetch), call));
    const reason = new MeshError("ERR_DEADLINE_EXCEEDED", "late");
    call.cancel(reason);
    assert.equal(await failed, reason);
    let cancelled = false;
    const late = bodyOf(["a"], "never", () => {
      cancelled = true;
    });
    open[0]?.(new Response(late));
    await settle();
    assert.equal(cancelled, true);
  });

  it("does not send for a call that is cancelled already", async () => {
    const call = newCall();
    call.cancel();
    const error = await errorOf(
      send(
        transportOver(() => assert.fail("sent")),
        call,
      ),
    );
    assert.ok(isMeshError(error, "ERR_CANCELLED"));
  });

  it("gives the call's reason to the reader, and ends the exchange", async () => {
    for (const how of ["text", "stream"] as const) {
      let signal: AbortSignal | null | undefined;
      const call = newCall();
      const transport = transportOver((_, init) => {
        signal = init.signal;
        return new Response(bodyOf(["a"], "never"));
      });
      const response = await send(transport, call);
      const reading = how === "text" ? response.text() : drain(response.body as never);
      const failed = errorOf(reading);
      await settle();
      const reason = new MeshError("ERR_DEADLINE_EXCEEDED", "late");
      call.cancel(reason);
      assert.equal(await failed, reason, how);
      assert.equal(signal?.aborted, true);
      assert.equal(call.outcome?.status, "deadline_exceeded");
    }
  });

  it("can be cancelled after the call has its outcome", async () => {
    const call = newCall();
    const response = await send(
      transportOver(() => new Response(bodyOf(["a"], "never"), { status: 503 })),
      call,
    );
    call.end({
      kind: "retryable",
      status: "http_503",
      neverStarted: false,
      local: false,
      pushbackMs: undefined,
    });
    const failed = errorOf(response.text());
    const reason = new Error("enough");
    response.cancel?.(reason);
    assert.equal(await failed, reason);
  });

  it("takes a cancelled stream for a caller that lost interest", async () => {
    const call = newCall();
    const response = await send(
      transportOver(() => new Response(bodyOf(["a"], "never"))),
      call,
    );
    await response.body?.cancel("enough");
    assert.equal(call.outcome?.kind, "cancelled");
  });

  it("asks for no more of the body than is read", async () => {
    let made = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          made++;
          controller.enqueue(new Uint8Array(1));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await send(transportOver(() => new Response(body)));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await settle();
    assert.ok(made <= 2, `${made} pieces were made for one`);
    await reader.cancel();
  });

  it("closes when the last exchange is over, and refuses new ones meanwhile", async () => {
    const { fetch, open } = gate();
    let closed = 0;
    const transport = transportOver(fetch, { close: () => void closed++ });
    const running = send(transport);
    const closing = transport.close();
    assert.equal(transport.close(), closing);
    assert.ok(isMeshError(await errorOf(send(transport)), "ERR_SHUTTING_DOWN"));
    open[0]?.(new Response("ok"));
    const response = await running;
    await settle();
    assert.equal(closed, 0);
    await response.text();
    await closing;
    assert.equal(closed, 1);
  });

  it("refuses a bound that is no whole number from 1", () => {
    for (const maxConnectionsPerEndpoint of [0, -1, 1.5, Number.NaN]) {
      assert.throws(
        () => transportOver(() => new Response(), { maxConnectionsPerEndpoint }),
        /^RangeError: Cannot open an HTTP transport: maxConnectionsPerEndpoint is/,
      );
    }
  });
});
