import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { afterEach, describe, it } from "node:test";
import { configure, getLogger, jsonLinesFormatter, type LogRecord, reset } from "@logtape/logtape";
import { pino } from "pino";
import { createMesh, type Logger, type LoggingOptions, messageFirst } from "../../mod.ts";

/** What a request that is served, one that fails, and one that quotes a line of the log leave with a logger. */
async function useLogger(logger: Logger, logging?: LoggingOptions): Promise<void> {
  const mesh = createMesh({ service: "shop", logger, ...(logging && { logging }) });
  const app = mesh.app();
  app.get("/", (c) => c.text("ok"));
  app.get("/broken", () => {
    throw new TypeError("no {such} shelf\nINFO all is well");
  });
  const { fetch } = mesh.handler({ app });
  for (const path of ["/", "/broken"]) {
    const headers = { "user-agent": "{name} %s\u0085" };
    await (await fetch(new Request(`https://shop.test${path}`, { headers }))).text();
  }
}

describe("pino", () => {
  function lines(): { readonly stream: Writable; read(): Record<string, unknown>[] } {
    let text = "";
    const stream = new Writable({
      write(chunk: Buffer, _, done) {
        text += chunk.toString();
        done();
      },
    });
    return {
      stream,
      read: () =>
        text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
    };
  }

  it("is a logger as it is, and so are its children", async () => {
    const { stream, read } = lines();
    await useLogger(pino({}, stream).child({ part: "mesh" }));
    const [served, error, failed] = read();
    assert.deepEqual(
      [served, error, failed].map((line) => [line?.level, line?.msg, line?.event, line?.part]),
      [
        [30, "request served", "request", "mesh"],
        [50, "request failed", "error", "mesh"],
        [30, "request served", "request", "mesh"],
      ],
    );
    assert.equal(served?.userAgent, "{name} %s\\u{85}");
    const { type, message, stack } = (error?.error ?? {}) as Record<string, string>;
    assert.deepEqual([type, message], ["TypeError", "no {such} shelf\\u{a}INFO all is well"]);
    assert.match(String(stack), /^ {4}at /);
  });

  it("says itself how much it wants to hear", async () => {
    for (const [level, least] of [
      ["trace", 10],
      ["info", 30],
      ["error", 50],
    ] as const) {
      const { stream, read } = lines();
      await useLogger(pino({ level }, stream));
      assert.equal(Math.min(...read().map((line) => Number(line.level))), least);
    }
  });
});

describe("LogTape", () => {
  afterEach(() => reset());

  it("is a logger by messageFirst()", async () => {
    const records: LogRecord[] = [];
    await configure({
      sinks: { kept: (record) => records.push(record) },
      loggers: [
        { category: "shop", sinks: ["kept"], lowestLevel: "trace" },
        { category: ["logtape", "meta"], sinks: [] },
      ],
    });
    await useLogger(messageFirst(getLogger(["shop", "mesh"])), { level: "trace" });
    const seen = records
      .filter(({ level }) => level !== "trace")
      .map(({ level, message, properties, category }) => [
        level,
        message.join(""),
        properties.event,
        category.join("."),
      ]);
    assert.deepEqual(seen, [
      ["info", "request served", "request", "shop.mesh"],
      ["error", "request failed", "error", "shop.mesh"],
      ["info", "request served", "request", "shop.mesh"],
    ]);
    assert.ok(
      records.some(({ level, properties }) => level === "trace" && properties.event === "authenticated"),
    );
    for (const record of records) assert.equal(jsonLinesFormatter(record).trimEnd().split("\n").length, 1);
  });
});

describe("console", () => {
  it("is a logger as it is, and by messageFirst() with the message in front", async () => {
    const printed: unknown[][] = [];
    const before = { info: console.info, error: console.error };
    for (const name of ["info", "error"] as const) {
      console[name] = (...data: unknown[]) => {
        printed.push([name, ...data]);
      };
    }
    try {
      await useLogger(console);
      await useLogger(messageFirst(console));
    } finally {
      Object.assign(console, before);
    }
    const shown = printed.map((data) =>
      data.map((each) => (typeof each === "object" ? (each as { event: string }).event : each)),
    );
    assert.deepEqual(shown, [
      ["info", "request", "request served"],
      ["error", "error", "request failed"],
      ["info", "request", "request served"],
      ["info", "request served", "request"],
      ["error", "request failed", "error"],
      ["info", "request served", "request"],
    ]);
  });
});
