import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import type { MeshEvent } from "../../src/core/events.ts";
import { ok } from "../../src/core/outcome.ts";
import { eventLog } from "../../src/telemetry/event-log.ts";
import { Log, type Logger, type LoggingOptions, messageFirst } from "../../src/telemetry/logger.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { settle } from "../support/virtual-clock.ts";
import { recordingLogger } from "./recording-logger.ts";

const who = "createMesh()";

/** The levels that reach a logger. */
function written(options: LoggingOptions, extra: object = {}): readonly string[] {
  const { logger, lines } = recordingLogger();
  const log = new Log(who, { ...logger, ...extra }, options);
  for (const level of ["trace", "debug", "info", "warn", "error"] as const) log.write(level, {}, "x");
  return lines.map(({ level }) => level);
}

describe("the level of a log", () => {
  it("is info unless the options say otherwise", () => {
    assert.deepEqual(written({}), ["info", "warn", "error"]);
    assert.deepEqual(written({ level: "trace" }), ["trace", "debug", "info", "warn", "error"]);
    assert.deepEqual(written({ level: "error" }), ["error"]);
  });

  it("is lower where the logger says that it lets more through", () => {
    const pinoAt = (least: string) => ({
      isLevelEnabled: (level: string) =>
        ["trace", "debug", "info"].indexOf(level) >= ["trace", "debug", "info"].indexOf(least),
    });
    assert.deepEqual(written({}, pinoAt("debug")), ["debug", "info", "warn", "error"]);
    assert.deepEqual(written({}, pinoAt("trace")), ["trace", "debug", "info", "warn", "error"]);
    assert.deepEqual(written({}, pinoAt("info")), ["info", "warn", "error"]);
  });

  it("writes traces as debug lines where the logger has no such level", () => {
    assert.deepEqual(written({ level: "trace" }, { trace: undefined })[0], "debug");
  });
});

describe("a log", () => {
  it("leaves out fields without a value, and hides those that the options name", () => {
    const { logger, lines } = recordingLogger();
    new Log(who, logger, { redact: ["Principal"] }).write(
      "info",
      { a: 1, b: undefined, principal: "ann" },
      "x",
    );
    assert.deepEqual(lines[0]?.fields, { a: 1, principal: "[redacted]" });
  });

  it("survives a logger that throws, at once or later, and says so once", async () => {
    const broken: (() => unknown)[] = [
      () => {
        throw new Error("disk full");
      },
      () => Promise.reject(new Error("disk full")),
    ];
    for (const fail of broken) {
      const method = fail as () => void;
      const log = new Log(who, { debug: method, info: method, warn: method, error: method });
      const printed = await printedErrors(async () => {
        for (let index = 0; index < 5; index++) log.write("info", {}, "x");
        await settle();
      });
      assert.equal(printed.length, 1);
      assert.match(String(printed[0]), /The logger .*failed/);
    }
  });

  it("calls the logger's methods as methods", () => {
    class Own implements Logger {
      readonly seen: string[] = [];
      debug(): void {}
      warn(): void {}
      error(): void {}
      info(_: object, message: string): void {
        this.seen.push(message);
      }
    }
    const own = new Own();
    new Log(who, own).write("info", {}, "x");
    assert.deepEqual(own.seen, ["x"]);
  });
});

describe("messageFirst()", () => {
  it("turns the arguments round", () => {
    const seen: unknown[] = [];
    const note = (...data: unknown[]): void => {
      seen.push(data);
    };
    const log = new Log(who, messageFirst({ debug: note, info: note, warn: note, error: note }), {
      level: "trace",
    });
    log.write("trace", { a: 1 }, "first");
    log.write("error", { b: 2 }, "second");
    assert.deepEqual(seen, [
      ["first", { a: 1 }],
      ["second", { b: 2 }],
    ]);
  });

  it("refuses what is no logger", () => {
    assert.throws(() => messageFirst({ info: () => {} } as never), {
      message:
        'Cannot make messageFirst(): its logger has no method "debug"; pass a pino logger, console, or messageFirst(logger) for LogTape',
    });
  });
});

describe("the line of an event", () => {
  const error = new Error("x\ny");
  const events: readonly (readonly [MeshEvent, level: string, fields: object])[] = [
    [
      { type: "retry", attempt: 1, outcome: ok, waitMs: 5 },
      "debug",
      { attempt: 1, outcome: "ok", waitMs: 5 },
    ],
    [{ type: "refused", error }, "debug", { error: { type: "Error", message: "x\\u{a}y" } }],
    [{ type: "authenticated", principal: undefined }, "trace", {}],
    [
      { type: "breaker-opened", service: "lake", origin: "http://a" },
      "warn",
      { service: "lake", origin: "http://a" },
    ],
    [
      { type: "connection-failed", side: "client", remote: "http://a", reason: "refused", error },
      "warn",
      {
        side: "client",
        remote: "http://a",
        reason: "refused",
        error: { type: "Error", message: "x\\u{a}y" },
      },
    ],
    [
      { type: "connection-failed", side: "server", remote: "10.0.0.1", reason: "socket", error: 1 },
      "debug",
      { side: "server", remote: "10.0.0.1", reason: "socket", error: { type: "number", message: "1" } },
    ],
    [{ type: "drain-started", port: 1, inFlight: 2 }, "info", { port: 1, inFlight: 2 }],
  ];
  for (const [event, level, fields] of events) {
    it(`of type ${event.type} has the level ${level} and the event's fields`, () => {
      const { logger, lines } = recordingLogger();
      eventLog(new Log(who, logger, { level: "trace" }))(event, undefined);
      assert.deepEqual(lines[0]?.level, level);
      assert.deepEqual(lines[0]?.fields, { event: event.type, ...fields });
    });
  }

  it("says which call it is about, and nothing of what its principal claims", () => {
    const { logger, lines } = recordingLogger();
    const call = new Call({ side: "server", protocol: "rest", service: "lake", operation: "GET /a\nb" });
    call.requestId = "r1";
    call.traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    call.principal = { id: "ann\n", kind: "token", claims: { secret: "s" } };
    eventLog(new Log(who, logger, { level: "trace" }))(
      { type: "authenticated", principal: call.principal },
      call,
    );
    assert.deepEqual(lines[0]?.fields, {
      event: "authenticated",
      side: "server",
      protocol: "rest",
      service: "lake",
      operation: "GET /a\\u{a}b",
      requestId: "r1",
      traceId: "a".repeat(32),
      principal: "ann\\u{a}",
      attempt: 1,
    });
  });
});
