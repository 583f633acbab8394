import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call, type CallInit, callKey } from "../../src/core/call.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { type Outcome, ok, outcome } from "../../src/core/outcome.ts";
import { printedErrors } from "../support/printed-errors.ts";

function callWith(init: Partial<CallInit> = {}): Call {
  return new Call({ side: "client", protocol: "local", service: "lake", operation: "read", ...init });
}

describe("Call cancellation", () => {
  it("tells its listeners once, with the first reason", () => {
    const call = callWith();
    const heard: unknown[] = [];
    call.onCancel((reason) => heard.push(reason));
    call.cancel("first");
    call.cancel("second");
    assert.deepEqual(heard, ["first"]);
    assert.equal(call.cancelled, true);
    assert.equal(call.reason, "first");
  });

  it("tells every listener, also when one of them throws", async () => {
    const call = callWith();
    const heard: string[] = [];
    const listeners = ["first", "second"].map((name) => () => {
      heard.push(name);
      throw new Error(`${name} is broken`);
    });
    for (const listener of listeners) call.onCancel(listener);
    for (const listener of listeners) call.onEnd(listener);
    const printed = await printedErrors(() => {
      call.cancel();
      assert.deepEqual(heard, ["first", "second"]);
      call.end(ok);
    });
    assert.deepEqual(heard, ["first", "second", "first", "second"]);
    assert.equal(printed.length, 4);
  });

  it("raises ERR_CANCELLED when nobody gives a reason", () => {
    const call = callWith();
    call.throwIfCancelled();
    call.cancel();
    assert.throws(
      () => call.throwIfCancelled(),
      (error) => isMeshError(error, "ERR_CANCELLED"),
    );
  });

  it("tells a listener that comes late at once, and a removed one never", () => {
    const call = callWith();
    const remove = call.onCancel(() => assert.fail("was removed"));
    remove();
    call.cancel("gone");
    let late: unknown;
    call.onCancel((reason) => {
      late = reason;
    });
    assert.equal(late, "gone");
  });

  it("aborts its signal with the reason, whether it was looked at before or after", () => {
    const early = callWith();
    const { signal } = early;
    assert.equal(signal.aborted, false);
    early.cancel("why");
    assert.equal(signal.reason, "why");
    assert.equal(early.signal, signal);
    const late = callWith();
    late.cancel("why");
    assert.equal(late.signal.aborted, true);
    assert.equal(late.signal.reason, "why");
  });

  it("follows the caller's signal, and one that has aborted already", () => {
    const controller = new AbortController();
    const call = callWith({ signal: controller.signal });
    controller.abort("left");
    assert.equal(call.reason, "left");
    assert.equal(callWith({ signal: controller.signal }).reason, "left");
  });

  it("follows its parent, and does not take the parent along", () => {
    const parent = callWith();
    const child = callWith({ parent });
    const sibling = callWith({ parent });
    child.cancel("mine alone");
    assert.equal(parent.cancelled, false);
    assert.equal(sibling.cancelled, false);
    parent.cancel("all of us");
    assert.equal(sibling.reason, "all of us");
    assert.equal(child.reason, "mine alone");
  });

  it("is over once the call has ended", () => {
    const call = callWith();
    call.onCancel(() => assert.fail("ended before"));
    call.end(ok);
    call.cancel();
    assert.equal(call.cancelled, false);
  });

  it("leaves no listener on a signal or a parent that outlive the call", () => {
    const added: unknown[] = [];
    const removed: unknown[] = [];
    const controller = new AbortController();
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: EventListener, ...rest: []) => {
      added.push(listener);
      add(type, listener, ...rest);
    };
    signal.removeEventListener = (type: string, listener: EventListener, ...rest: []) => {
      removed.push(listener);
      remove(type, listener, ...rest);
    };
    const parent = callWith();
    const call = callWith({ signal, parent });
    call.end(ok);
    assert.equal(added.length, 1);
    assert.deepEqual(removed, added);
    controller.abort();
    parent.cancel();
    assert.equal(call.cancelled, false);
  });
});

describe("Call end", () => {
  it("keeps the first outcome and tells each listener once, in order", () => {
    const call = callWith();
    const heard: string[] = [];
    call.onEnd(({ status }) => heard.push(`a ${status}`));
    call.onEnd(({ status }) => heard.push(`b ${status}`));
    assert.equal(call.outcome, undefined);
    const stated = outcome("failure", "broken");
    call.end(stated);
    call.end(ok);
    assert.equal(call.outcome, stated);
    assert.deepEqual(heard, ["a broken", "b broken"]);
    let late: Outcome | undefined;
    call.onEnd((each) => {
      late = each;
    });
    assert.equal(late, stated);
  });

  it("tells any number of listeners, with the call, whatever one of them throws", async () => {
    for (const count of [1, 2, 5]) {
      const call = callWith();
      const heard: number[] = [];
      for (let index = 0; index < count; index++) {
        call.onEnd((each, ended) => {
          assert.equal(each, ok);
          assert.equal(ended, call);
          heard.push(index);
          if (index === 0) throw new Error("broken");
        });
      }
      const printed = await printedErrors(() => call.end(ok));
      assert.deepEqual(heard, [0, 1, 2, 3, 4].slice(0, count));
      assert.equal(printed.length, 1);
    }
  });

  it("aborts the signal of a call that has ended when the rest of its response is not wanted", () => {
    const call = callWith();
    const { signal } = call;
    call.end(ok);
    call.abort("given up");
    assert.equal(signal.reason, "given up");
    assert.equal(call.cancelled, false);
    const open = callWith();
    open.abort("given up");
    assert.equal(open.reason, "given up");
  });
});

describe("Call fork", () => {
  it("makes an attempt of the same exchange, with a number and an end of its own", () => {
    const call = callWith({ idempotency: "safe", deadline: 500, priority: 3, protocol: "grpc" });
    call.requestId = "r1";
    call.traceparent = "00-1";
    const attempt = call.fork(2);
    assert.equal(attempt.attempt, 2);
    assert.equal(attempt.parent, call);
    assert.equal(attempt.service, "lake");
    assert.equal(attempt.operation, "read");
    assert.equal(attempt.protocol, "grpc");
    assert.equal(attempt.idempotency, "safe");
    assert.equal(attempt.priority, 3);
    assert.equal(attempt.deadline, 500);
    assert.equal(attempt.requestId, "r1");
    assert.equal(attempt.traceparent, "00-1");
    attempt.end(ok);
    assert.equal(call.outcome, undefined);
  });

  it("can shorten the deadline and never lengthen it", () => {
    const call = callWith({ deadline: 500 });
    assert.equal(call.fork(1, 200).deadline, 200);
    assert.equal(call.fork(1, 900).deadline, 500);
  });

  it("is cancelled with the call", () => {
    const call = callWith();
    const attempt = call.fork(1);
    call.cancel("stop");
    assert.equal(attempt.reason, "stop");
    assert.equal(call.fork(2).reason, "stop");
  });
});

describe("Call context", () => {
  const colour = callKey("colour", "none");

  it("gives the key's default, then the parent's value, then its own", () => {
    const call = callWith();
    const attempt = call.fork(1);
    assert.equal(attempt.get(colour), "none");
    call.set(colour, "red");
    assert.equal(attempt.get(colour), "red");
    attempt.set(colour, "blue");
    assert.equal(attempt.get(colour), "blue");
    assert.equal(call.get(colour), "red");
  });

  it("tells keys of the same name apart, and a set undefined from none", () => {
    const other = callKey<string | undefined>("colour", "other");
    const call = callWith().set(colour, "red");
    assert.equal(call.get(other), "other");
    call.set(other, undefined);
    assert.equal(call.get(other), undefined);
  });

  it("passes identity and the word on retries on to calls made on its behalf", () => {
    const server = callWith({ side: "server" });
    server.principal = { id: "gateway", kind: "peer", claims: {} };
    server.retryOwnedUpstream = true;
    const outgoing = callWith({ parent: server });
    assert.equal(outgoing.principal?.id, "gateway");
    assert.equal(outgoing.retryOwnedUpstream, true);
  });
});

describe("Call notes", () => {
  const event = { type: "resolved", waitMs: 3 } as const;

  it("cost nothing when nobody listens: there is nothing to call", () => {
    const call = callWith();
    assert.equal(call.note, undefined);
    assert.equal(call.fork(1).note, undefined);
  });

  it("reach the listener with the event and the call that it is about, forks and children included", () => {
    const heard: unknown[] = [];
    const call = callWith({ onEvent: (each, about) => heard.push(each, about) });
    const attempt = call.fork(2);
    const child = callWith({ parent: attempt });
    for (const each of [call, attempt, child]) each.note?.(event);
    assert.deepEqual(heard, [event, call, event, attempt, event, child]);
  });

  it("go to a child's own listener, and not to its parent's, where it has one", () => {
    const heard: string[] = [];
    const parent = callWith({ onEvent: () => heard.push("parent") });
    callWith({ parent, onEvent: () => heard.push("child") }).note?.(event);
    assert.deepEqual(heard, ["child"]);
  });

  it("do no harm when the listener throws", async () => {
    const call = callWith({
      onEvent: () => {
        throw new Error("broken");
      },
    });
    const printed = await printedErrors(() => call.note?.(event));
    assert.equal(printed.length, 1);
  });
});
