import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import { outcome } from "../../src/core/outcome.ts";
import { isUpstream } from "../../src/core/upstream.ts";
import { sendCall } from "../../src/rest/rest-request.ts";
import { newCall } from "./transport-over.ts";

const request = { method: "GET", target: "/x", headers: {}, body: undefined };

describe("sendCall()", () => {
  it("ends the call of a response that a layer gave by itself", async () => {
    const call = newCall();
    const cached = new Response("cached", { status: 503 });
    assert.equal(await sendCall(() => cached, call, request), cached);
    assert.equal(call.outcome?.status, "http_503");
  });

  it("leaves the outcome to the transport where it has stated one", async () => {
    const call = newCall();
    const stated = outcome("retryable", "unavailable");
    await sendCall(
      () => {
        call.end(stated);
        return new Response("late");
      },
      call,
      request,
    );
    assert.equal(call.outcome, stated);
  });

  it("ends the call when something is thrown on the way, at once or later", async () => {
    const refusal = new MeshError("ERR_BREAKER_OPEN", "open");
    const fault = new TransportError("reset", "reset");
    const atOnce = newCall();
    const refused = sendCall(
      () => {
        throw refusal;
      },
      atOnce,
      request,
    );
    await assert.rejects(refused, (error) => error === refusal && !isUpstream(error));
    const later = newCall();
    const failed = sendCall(() => Promise.reject(fault), later, request);
    await assert.rejects(failed, (error) => error === fault && isUpstream(error));
    assert.deepEqual([atOnce.outcome?.status, later.outcome?.status], ["breaker_open", "transport_reset"]);
  });
});
