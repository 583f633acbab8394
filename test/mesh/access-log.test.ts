import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";
import { recordingLogger } from "../telemetry/recording-logger.ts";
import { echoLake } from "./echo-lake.ts";
import { asAnn, echoOf, logged } from "./logged-mesh.ts";

const echoOperation = `${EchoService.typeName}/Echo`;

describe("the access log of a fetch handler", () => {
  it("has a line for each REST request: what was asked, how it ended, and for whom", async () => {
    const { get, of, lines } = logged();
    const headers = { ...asAnn, "user-agent": "curl/8", "x-request-id": "r-1" };
    await (await get("/items/7?page=2&access_token=abc", { headers })).text();
    const [line] = of("request");
    const { durationMs, traceId, responseBytes, ...rest } = line ?? {};
    assert.equal(typeof durationMs, "number");
    assert.match(String(traceId), /^[0-9a-f]{32}$/);
    assert.ok(responseBytes === undefined || responseBytes === 4);
    assert.deepEqual(rest, {
      event: "request",
      side: "server",
      protocol: "rest",
      service: "shop",
      operation: "GET /items/:id",
      requestId: "r-1",
      principal: "ann",
      status: 200,
      outcome: "ok",
      method: "GET",
      target: "/items/7?page=2&access_token=[redacted]",
      userAgent: "curl/8",
    });
    assert.deepEqual([lines.length, lines[0]?.level, lines[0]?.message], [1, "info", "request served"]);
  });

  it("has a line for each RPC, with its code", async () => {
    const { handler, of } = logged();
    for (const protocol of ["connect", "grpc-web"] as const) {
      const echo = echoOf(handler, protocol);
      await echo.echo({ text: "a" }, { headers: asAnn });
      await errorOf(echo.echo({ text: "no", fail: Code.NotFound }, { headers: asAnn }));
      for await (const _ of echo.expand({ text: "a", count: 2 }, { headers: asAnn }));
      await errorOf(echo.echo({ text: "a" }));
    }
    assert.deepEqual(
      of("request").map(({ protocol, operation, code }) => [protocol, operation, code]),
      ["connect", "grpc-web"].flatMap((protocol) => [
        [protocol, echoOperation, "ok"],
        [protocol, echoOperation, "not_found"],
        [protocol, `${EchoService.typeName}/Expand`, "ok"],
        [protocol, echoOperation, "unauthenticated"],
      ]),
    );
  });

  it("has nothing of the message of an RPC that came as GET", async () => {
    const { mesh, of, lines } = logged();
    const handler = mesh.handler({ routes: echoRoutes });
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: '{"text":"hush"}' });
    const url = `https://shop.test/${EchoService.typeName}/Get?${query}`;
    assert.equal((await handler.fetch(new Request(url, { headers: asAnn }))).status, 200);
    assert.equal(of("request")[0]?.target, `/${EchoService.typeName}/Get`);
    assert.doesNotMatch(JSON.stringify(lines), /hush/);
  });

  it("has the refusals, with the status that the client got", async () => {
    const { get, handler, of } = logged({
      server: {
        auth: {
          validate: staticTokens({ "secret-token": "ann", other: "bob" }),
          authorize: (principal) => principal?.id === "ann",
        },
        rateLimit: { perMinute: 6, burst: 6 },
      },
    });
    const statuses: number[] = [];
    const note = async (response: Promise<Response>): Promise<void> => {
      statuses.push((await response).status);
    };
    await note(get("/items/1", { headers: {} }));
    await note(get("/items/1", { headers: { authorization: "Bearer wrong" } }));
    await note(get("/items/1", { headers: { authorization: "Bearer other" } }));
    await note(get("/nothing"));
    await note(
      get("/items", {
        method: "POST",
        body: "{ no json",
        headers: { ...asAnn, "content-type": "application/json" },
      }),
    );
    await note(get("/items/1", { method: "DELETE" }));
    await note(
      handler.fetch(
        new Request(`https://shop.test/${echoOperation}`, {
          method: "POST",
          headers: { ...asAnn, "content-type": "application/grpc" },
          body: "",
        }),
      ),
    );
    for (let index = 0; index < 4; index++) await note(get("/items/1"));
    assert.deepEqual(
      of("request").map(({ protocol, status, code }) => (protocol === "rest" ? status : code)),
      statuses.map((status) => (status === 415 ? "invalid_argument" : status)),
    );
    for (const status of [401, 403, 404, 400, 405, 429]) assert.ok(statuses.includes(status), `${status}`);
  });

  it("has what is refused because there is too much at a time, and what took too long", async () => {
    const clock = new VirtualClock();
    const { mesh, of } = logged({ clock, server: { rateLimit: false, maxConcurrent: 1, timeoutMs: 1_000 } });
    const app = mesh.app();
    app.get("/slow", () => new Promise<Response>(() => {}));
    const { fetch } = mesh.handler({ app });
    const slow = fetch(new Request("https://shop.test/slow"));
    await settle();
    assert.equal((await fetch(new Request("https://shop.test/slow"))).status, 503);
    assert.equal((await clock.run(slow)).status, 504);
    assert.deepEqual(
      of("request").map(({ status, outcome, durationMs }) => [status, outcome, durationMs]),
      [
        [503, "bulkhead_full", 0],
        [504, "deadline_exceeded", 1_000],
      ],
    );
  });

  it("writes no body, no token, and of headers only those that were asked for", async () => {
    const { get, lines } = logged({
      logging: {
        level: "trace",
        access: { headers: ["Authorization", "x-forwarded-for", "cookie", "x-tenant"] },
        redact: ["x-tenant"],
      },
    });
    const headers = {
      ...asAnn,
      cookie: "session=c-secret",
      "x-forwarded-for": "10.0.0.1\t\u0085",
      "x-tenant": "t-secret",
      "x-api-key": "k-secret",
      "content-type": "application/json",
    };
    await (await get("/items", { method: "POST", body: '{"a":"b-secret"}', headers })).text();
    const text = JSON.stringify(lines);
    assert.doesNotMatch(text, /-secret|secret-token/);
    assert.deepEqual(lines.at(-1)?.fields.headers, {
      authorization: "[redacted]",
      "x-forwarded-for": "10.0.0.1\\u{9}\\u{85}",
      cookie: "[redacted]",
      "x-tenant": "[redacted]",
    });
  });

  it("cannot be made to have lines or colours that a client wrote", async () => {
    const { get, lines } = logged({ logging: { access: { headers: ["x-forwarded-for"] } } });
    await get("/items/%0d%0aINFO?x=%1b[31m\u202e", {
      headers: {
        ...asAnn,
        "user-agent": "a\u0085b\u00ad",
        "x-request-id": "x y",
        "x-forwarded-for": "\u009b31m",
      },
    });
    await get("/no/such\u2028thing");
    for (const { fields } of lines) {
      for (const value of Object.values(fields)) {
        if (typeof value === "string") assert.match(value, /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);
      }
    }
    assert.equal(lines[0]?.fields.userAgent, "a\\u{85}b\\u{ad}");
  });

  it("is sampled, except for what did not end well", async () => {
    const rolls = [0.4, 0.6, 0.4];
    const { get, of } = logged({ random: () => rolls.shift() ?? 0.9, logging: { access: { sample: 0.5 } } });
    for (const path of ["/items/1", "/items/2", "/none", "/items/3", "/broken"])
      await (await get(path)).text();
    assert.deepEqual(
      of("request").map(({ target }) => target),
      ["/items/1", "/none", "/items/3", "/broken"],
    );
    const none = logged({ logging: { access: { sample: 0 } } });
    await none.get("/items/1");
    await none.get("/none");
    assert.deepEqual(
      none.of("request").map(({ status }) => status),
      [404],
    );
  });

  it("is left out where the options say so, or the level does", async () => {
    for (const logging of [{ access: false }, { access: { served: false } }, { level: "warn" }] as const) {
      const { get, of } = logged({ logging });
      await get("/items/1");
      assert.deepEqual(of("request"), []);
    }
  });
});

describe("the log of outgoing calls", () => {
  const logging = { access: { calls: true } } as const;

  it("has a line for each call, with its attempts and where the last one went", async () => {
    const recorded = recordingLogger();
    const { mesh, lake, clock } = lakeOf(
      (request, number) => (number === 1 ? new Response("", { status: 503 }) : echoLake()(request)),
      { logger: recorded.logger, logging },
    );
    assert.equal(await clock.run(lake.get("x").text()), "ok");
    await createClient(EchoService, mesh.transport("lake")).echo({ text: "a" });
    await errorOf(mesh.rest("nowhere").get("x").text());
    const seen = recorded
      .of("call")
      .map((line) =>
        ["protocol", "service", "status", "code", "outcome", "attempts", "origin"].map((name) => line[name]),
      );
    assert.deepEqual(seen, [
      ["rest", "lake", 200, undefined, "ok", 2, "http://lake.test"],
      ["connect", "lake", undefined, "ok", "ok", 1, "http://lake.test"],
      ["rest", "nowhere", undefined, undefined, "service_unknown", 0, undefined],
    ]);
  });

  it("has none unless asked for", async () => {
    const recorded = recordingLogger();
    const { lake } = lakeOf(echoLake(), { logger: recorded.logger });
    await lake.get("x").text();
    assert.deepEqual(recorded.of("call"), []);
  });
});
