import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Call } from "../../src/core/call.ts";
import { pending } from "../../src/core/classifier.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { ok } from "../../src/core/outcome.ts";
import { type AnyLayer, compose, protect } from "../../src/core/service.ts";

/** A layer that writes down when a call enters and leaves it. */
function tracing(name: string, trace: string[]): AnyLayer {
  return (next) => async (call, request) => {
    trace.push(`> ${name}`);
    try {
      return await next(call, request);
    } finally {
      trace.push(`< ${name}`);
    }
  };
}

const identity: AnyLayer = (next) => next;

describe("compose()", () => {
  it("puts the first layer outermost", async () => {
    const trace: string[] = [];
    const run = protect(compose(tracing("a", trace), tracing("b", trace), tracing("c", trace)), () => {
      trace.push("run");
    });
    await run(undefined);
    assert.deepEqual(trace, ["> a", "> b", "> c", "run", "< c", "< b", "< a"]);
  });

  it("changes nothing when there is no layer", async () => {
    assert.equal(await protect(compose(), (n: number) => n + 1)(1), 2);
  });

  it("nests", async () => {
    const trace: string[] = [];
    const inner = compose(tracing("b", trace), tracing("c", trace));
    await protect(compose(tracing("a", trace), inner), () => {})(undefined);
    assert.deepEqual(trace.slice(0, 3), ["> a", "> b", "> c"]);
  });
});

describe("protect()", () => {
  it("hands the request and a call to the function", async () => {
    const run = protect(identity, async function load(id: string, call: Call) {
      return [id, call.side, call.protocol, call.service, call.operation, call.idempotency];
    });
    assert.deepEqual(await run("7"), ["7", "client", "local", "local", "load", "idempotent"]);
  });

  it("takes names and limits for all calls, and for one", async () => {
    const run = protect(
      identity,
      (_: undefined, call: Call) => [call.service, call.deadline, call.idempotency],
      {
        service: "lake",
        idempotency: "unknown",
      },
    );
    assert.deepEqual(await run(undefined), ["lake", Infinity, "unknown"]);
    assert.deepEqual(await run(undefined, { deadline: 5, service: "stream" }), ["stream", 5, "unknown"]);
  });

  it("turns what the function throws at once into a rejection, unchanged", async () => {
    const fault = new Error("boom");
    const run = protect(identity, () => {
      throw fault;
    });
    await assert.rejects(run(undefined), (error) => error === fault);
  });

  it("ends the call with the result, so that it leaves the caller's signal alone", async () => {
    const calls: Call[] = [];
    const controller = new AbortController();
    const run = protect(identity, (fail: boolean, call) => {
      calls.push(call);
      if (fail) throw new Error("boom");
    });
    await run(false, { signal: controller.signal });
    await assert.rejects(run(true, { signal: controller.signal }));
    controller.abort();
    assert.deepEqual(
      calls.map((call) => [call.outcome?.kind, call.cancelled]),
      [
        ["success", false],
        ["retryable", false],
      ],
    );
  });

  it("leaves the end of a stream to the stream", async () => {
    const classifier = { response: (): typeof pending => pending, error: () => ok };
    const call = await protect(identity, (_: undefined, each: Call) => each, { classifier })(undefined);
    assert.equal(call.outcome, undefined);
  });

  it("cancels the call when the caller's signal aborts", async () => {
    const controller = new AbortController();
    const run = protect(identity, (_: undefined, call) => {
      controller.abort();
      call.throwIfCancelled();
    });
    await assert.rejects(
      run(undefined, { signal: controller.signal }),
      (error) => error === controller.signal.reason && !isMeshError(error),
    );
  });
});
