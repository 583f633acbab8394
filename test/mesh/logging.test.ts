import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import type { Call } from "../../src/core/call.ts";
import type { MeshEvent } from "../../src/core/events.ts";
import { createSource } from "../../src/core/source.ts";
import type { ClientPolicy } from "../../src/mesh/client-policy.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Logger } from "../../src/telemetry/logger.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { settle } from "../support/virtual-clock.ts";
import { recordingLogger } from "../telemetry/recording-logger.ts";
import { echoLake } from "./echo-lake.ts";
import { asAnn, echoOf, logged } from "./logged-mesh.ts";

describe("a mesh without a logger", () => {
  it("makes calls that note nothing, and prints nothing", async () => {
    const mesh = createMesh({ service: "shop" });
    const app = mesh.app();
    const notes: unknown[] = [];
    app.get("/", (c) => {
      notes.push(c.get("call").note);
      return c.text("ok");
    });
    const printed = await printedErrors(async () => {
      await mesh.handler({ app }).fetch(new Request("https://shop.test/"));
    });
    assert.deepEqual([notes, printed], [[undefined], []]);
  });
});

describe("an error that callers are told nothing of", () => {
  it("goes to the logger, with the call's fields and where it happened, and to no console", async () => {
    const { get, of, lines } = logged();
    const printed = await printedErrors(async () => {
      assert.equal((await get("/broken", { headers: { ...asAnn, "x-request-id": "r-9" } })).status, 500);
    });
    assert.deepEqual(printed, []);
    const [{ error, ...rest } = {}] = of("error");
    const { type, message, stack } = error as Record<string, string>;
    assert.deepEqual([type, message], ["Error", "the shelf fell\\u{a}2026 INFO down"]);
    assert.match(String(stack), /^ {4}at /);
    assert.deepEqual(
      [rest.operation, rest.requestId, rest.protocol, rest.principal],
      ["GET /broken", "r-9", "rest", "ann"],
    );
    assert.equal(lines.find(({ fields }) => fields.event === "error")?.level, "error");
  });

  it("goes to onError as well, that of the mesh or that of an app, and to the listener", async () => {
    const told: unknown[] = [];
    const events: (readonly [string, string | undefined])[] = [];
    const { mesh, of } = logged({
      onError: (error) => told.push(["mesh", (error as Error).message]),
      onEvent: (event: MeshEvent, call: Call | undefined) => {
        if (event.type === "error") events.push([event.type, call?.operation]);
      },
      server: { rateLimit: false },
    });
    const fail = (): never => {
      throw new Error("broken");
    };
    const plain = mesh.app().get("/plain", fail);
    const own = mesh
      .app({ onError: (error) => told.push(["app", (error as Error).message]) })
      .get("/own", fail);
    for (const [app, path] of [
      [plain, "/plain"],
      [own, "/own"],
    ] as const) {
      await mesh.handler({ app }).fetch(new Request(`https://shop.test${path}`));
    }
    assert.deepEqual(told, [
      ["mesh", "broken"],
      ["app", "broken"],
    ]);
    assert.deepEqual(
      of("error").map(({ operation }) => operation),
      ["GET /plain", "GET /own"],
    );
    assert.deepEqual(events, [
      ["error", "GET /plain"],
      ["error", "GET /own"],
    ]);
  });

  it("of an RPC goes to the logger, too", async () => {
    const { mesh, of } = logged({ server: { rateLimit: false } });
    const handler = mesh.handler({
      routes: (router) =>
        router.service(EchoService, {
          echo() {
            throw new TypeError("no such row");
          },
        }),
    });
    assert.ok((await errorOf(echoOf(handler, "connect").echo({ text: "a" }))) instanceof ConnectError);
    const [line] = of("error");
    assert.equal(line?.operation, `${EchoService.typeName}/Echo`);
    assert.equal((line?.error as { message?: string } | undefined)?.message, "no such row");
  });
});

describe("a logger that fails", () => {
  it("harms no request and no call", async () => {
    const fail = (): never => {
      throw new Error("disk full");
    };
    const hangs = (): Promise<never> => new Promise(() => {});
    for (const method of [
      fail,
      hangs as () => void,
      (() => Promise.reject(new Error("gone"))) as () => void,
    ]) {
      const logger: Logger = { trace: method, debug: method, info: method, warn: method, error: method };
      await printedErrors(async () => {
        const { get } = logged({ logger, logging: { level: "trace", access: { calls: true } } });
        assert.equal((await get("/items/1")).status, 200);
        assert.equal((await get("/broken")).status, 500);
        const { lake } = lakeOf(echoLake(), { logger, logging: { level: "trace", access: { calls: true } } });
        assert.equal(await lake.get("x").text(), "ok");
        await settle();
      });
    }
  });
});

describe("what a mesh tells besides", () => {
  it("is told of endpoints and breakers, to the logger and to the listener alike", async () => {
    const recorded = recordingLogger();
    const resolver = new ChangingResolver();
    const events: MeshEvent[] = [];
    let healthy = false;
    const { lake, clock } = lakeOf(() => new Response("", { status: healthy ? 200 : 500 }), {
      resolver,
      logger: recorded.logger,
      onEvent: (event) => events.push(event),
      policies: { lake: { retry: false, breaker: { minCalls: 1, openMs: 1_000, probes: 1 } } },
    });
    const first = errorOf(lake.get("x").text());
    await settle();
    resolver.set("http://lake.test");
    await clock.run(first);
    await clock.advance(1_000);
    healthy = true;
    await lake.get("x").text();
    resolver.set("http://other.test");
    const expected = [
      ["endpoint-up", "http://lake.test"],
      ["breaker-opened", "http://lake.test"],
      ["breaker-half-open", "http://lake.test"],
      ["breaker-closed", "http://lake.test"],
      ["endpoint-up", "http://other.test"],
      ["endpoint-down", "http://lake.test"],
    ];
    assert.deepEqual(
      recorded.lines.map(({ fields }) => [fields.event, fields.origin]),
      expected,
    );
    const around = /^(?:endpoint-(?:up|down)|breaker-)/;
    assert.deepEqual(
      events.flatMap((event) =>
        around.test(event.type) && "origin" in event ? [[event.type, event.origin]] : [],
      ),
      expected,
    );
  });

  it("tells of retries at debug, and not at info", async () => {
    for (const [level, expected] of [
      ["debug", ["retry"]],
      ["info", []],
    ] as const) {
      const recorded = recordingLogger();
      const { lake, clock } = lakeOf((_, number) => new Response("", { status: number === 1 ? 503 : 200 }), {
        logger: recorded.logger,
        logging: { level },
      });
      await clock.run(lake.get("x").text());
      const retries = recorded.of("retry");
      assert.deepEqual(
        retries.map(({ event }) => event),
        expected,
      );
      if (level === "debug") {
        assert.deepEqual(
          [retries[0]?.outcome, retries[0]?.attempt, retries[0]?.service],
          ["http_503", 1, "lake"],
        );
      }
    }
  });

  it("is told of options that were refused while it runs", async () => {
    const recorded = recordingLogger();
    const told: unknown[] = [];
    const policies = createSource<Record<string, ClientPolicy>>({});
    const server = createSource<object>({});
    const mesh = createMesh({
      service: "shop",
      policies,
      server,
      logger: recorded.logger,
      onError: (error) => told.push(error),
    });
    policies.set({ lake: { timout: 5 } as never });
    server.set({ maxConcurrency: 5 });
    assert.deepEqual(
      recorded.lines.map(({ level, fields }) => [level, fields.event, fields.options]),
      [
        ["error", "update-refused", "policies"],
        ["error", "update-refused", "server"],
      ],
    );
    assert.equal(told.length, 2);
    await mesh.close();
  });
});
