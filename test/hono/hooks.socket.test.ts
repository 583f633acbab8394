import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Hono } from "hono";
import { createMesh } from "../../mod.ts";
import type { MeshEnv } from "../../src/hono/env.ts";
import type { MeshOptions, Server } from "../../src/mesh/options.ts";
import type { AuthOptions } from "../../src/security/authenticate.ts";
import { openHttp2, within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { until } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { Fault, secret } from "../support/hostile-values.ts";
import { type StrayFailures, watchStrayFailures } from "../support/stray-failures.ts";

type App = Hono<MeshEnv>;

/** What a user of the mesh gives it, with a fault in one place. */
interface Hooks {
  readonly app?: (fault: Fault, app: App) => App;
  readonly auth?: (fault: Fault) => AuthOptions;
  readonly onError?: (fault: Fault) => MeshOptions["onError"];
  /** Whether the response has begun when the fault shows, so that it can only break off. */
  readonly late?: boolean;
}

function get(app: App, handler: () => unknown, path = "/fault"): App {
  return app.get(path, handler as never);
}

function streamOf(pull: (at: number) => unknown, cancel?: () => unknown): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const failed = pull(at++);
      if (failed !== undefined) await failed;
      if (at > 2) controller.close();
      else controller.enqueue(new TextEncoder().encode("piece"));
    },
    cancel: cancel as () => Promise<void>,
  });
}

const table: Readonly<Record<string, Hooks>> = {
  "a handler": { app: (fault, app) => get(app, () => fault.here() ?? new Response("ok")) },
  "a handler of an app that is not the mesh's": {
    app: (fault) => get(new Hono<MeshEnv>(), () => fault.here() ?? new Response("ok")),
  },
  "an error handler": {
    app(fault, app) {
      app.onError(() => (fault.here() as never) ?? new Response("own", { status: 500 }));
      return get(app, () => {
        throw new Error(secret);
      });
    },
  },
  "a middleware before the handler": {
    app(fault, app) {
      app.use((_, next) => (fault.here() as never) ?? next());
      return get(app, () => new Response("ok"));
    },
  },
  "a middleware after the handler": {
    app(fault, app) {
      app.use(async (_, next) => {
        await next();
        await fault.here();
      });
      return get(app, () => new Response("ok"));
    },
  },
  "a validator of tokens": {
    app: (_, app) => get(app, () => new Response("ok")),
    auth: (fault) => ({ cache: false, validate: () => (fault.here() as never) ?? { id: "somebody" } }),
  },
  "an authorisation": {
    app: (_, app) => get(app, () => new Response("ok")),
    auth: (fault) => ({ authorize: () => (fault.here() as never) ?? true }),
  },
  "a body before its first piece": {
    late: true,
    app: (fault, app) => get(app, () => new Response(streamOf(fault.here))),
  },
  "a body after its first piece": {
    late: true,
    app: (fault, app) =>
      get(app, () => new Response(streamOf((at) => (at === 0 ? undefined : fault.here())))),
  },
};

/** A response, or the way in which there was none. */
interface Outcome {
  readonly status: number;
  readonly text: string;
  /** Whether it came to its end. */
  readonly complete: boolean;
}

/** Asks for `/fault`, and for `/fine`, always over the same connection if that lives. */
type Ask = (path: string) => Promise<Outcome>;

const headers = { authorization: "Bearer token" };

function http1Client(cleanup: Cleanup, port: number): Ask {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  cleanup.add(() => agent.destroy());
  return (path) =>
    new Promise((resolve) => {
      let text = "";
      let status = 0;
      const end = (complete: boolean): void => resolve({ status, text, complete });
      const request = httpRequest({ host: "127.0.0.1", port, agent, path, headers }, (response) => {
        status = response.statusCode ?? 0;
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => end(response.complete));
        response.on("error", () => end(false));
        response.on("close", () => end(response.complete));
      });
      request.on("error", () => end(false));
      request.end();
    });
}

function http2Client(cleanup: Cleanup, port: number): Ask {
  const session = openHttp2(cleanup, `http://127.0.0.1:${port}`);
  return (path) =>
    new Promise((resolve) => {
      const stream = session.request({ ":path": path, ...headers });
      let text = "";
      let status = 0;
      stream.setEncoding("utf8");
      stream.on("response", (received) => {
        status = received[":status"] ?? 0;
      });
      stream.on("data", (chunk: string) => {
        text += chunk;
      });
      stream.on("error", () => {});
      stream.on("close", () => resolve({ status, text, complete: status !== 0 && stream.rstCode === 0 }));
      stream.end();
    });
}

for (const [version, clientOf] of [
  ["HTTP/1.1", http1Client],
  ["HTTP/2", http2Client],
] as const) {
  describe(`A hook that fails, by REST over ${version}`, unless("listen"), () => {
    const cleanup = new Cleanup();
    let stray: StrayFailures;
    beforeEach(() => {
      stray = watchStrayFailures();
    });
    afterEach(async () => {
      await cleanup.run();
      stray.stop();
    });

    async function serve(hooks: Hooks, fault: Fault): Promise<{ server: Server; ask: Ask; told: unknown[] }> {
      const told: unknown[] = [];
      const onError = hooks.onError?.(fault) ?? ((error: unknown) => told.push(error));
      const auth = hooks.auth?.(fault);
      const mesh = createMesh({
        service: "rest",
        server: { rateLimit: false, ...(auth && { auth }) },
        onError,
      });
      const app = mesh.app();
      const served = hooks.app?.(fault, app) ?? app;
      get(served, () => new Response("fine"), "/fine");
      const server = await mesh.serve({ hostname: "127.0.0.1", port: 0, app: served });
      cleanup.add(() => server.close({ force: true }));
      return { server, ask: clientOf(cleanup, server.port), told };
    }

    async function quiet(server: Server, ask: Ask): Promise<void> {
      assert.equal((await within(ask("/fine"), "the next request")).text, "fine");
      await until(() => server.inFlight === 0, "the end of every request");
      // A rejection without a handler is told in the turn after.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(stray.seen, []);
    }

    for (const [what, hooks] of Object.entries(table)) {
      it(`fails its own request and nothing else: ${what}`, async () => {
        const fault = new Fault();
        const { server, ask } = await serve(hooks, fault);
        await ask("/fault");
        await fault.forEach(async (how) => {
          const { status, text, complete } = await within(ask("/fault"), `the end of what ${how}`);
          assert.ok(!text.includes(secret), `${how}: ${text}`);
          if (hooks.late !== true || complete) assert.ok(status >= 400, `${how}: ${status} ${text}`);
        });
        await quiet(server, ask);
      });
    }

    it("may be the one that is told of errors", async () => {
      const fault = new Fault();
      let sentRequest = 0;
      const { server, ask } = await serve(
        {
          app: (_, app) =>
            get(app, () => {
              throw new Error(secret);
            }),
          onError: (each) => () => {
            sentRequest++;
            return each.here();
          },
        },
        fault,
      );
      await fault.forEach(async (how) => {
        assert.equal((await within(ask("/fault"), how)).status, 500, how);
      });
      assert.ok(sentRequest > 0);
      await quiet(server, ask);
    });

    const locked = new Response(streamOf(() => undefined));
    locked.body?.getReader();
    const stream = new Response(streamOf(() => undefined));
    for (const [what, make] of Object.entries<() => unknown>({
      "a response whose body was read": async () => {
        const response = new Response("text");
        await response.text();
        return response;
      },
      "a response whose body somebody else reads": () => locked,
      "the same stream twice": () => stream,
      nothing: () => undefined,
      null: () => null,
      "a header that cannot be sent": () => new Response("ok", { headers: { "x-bad": "a\x01b" } }),
    })) {
      it(`fails its own request, with ${what}`, async () => {
        const { server, ask } = await serve({ app: (_, app) => get(app, make) }, new Fault());
        for (let turn = 0; turn < 2; turn++) {
          const { status, complete } = await within(ask("/fault"), "the response");
          assert.ok(status !== 200 || !complete || (what === "the same stream twice" && turn === 0));
          assert.equal((await within(ask("/fine"), "the next request")).text, "fine");
        }
        await quiet(server, ask);
      });
    }

    it("may be the clean-up of a body that its client leaves", async () => {
      const fault = new Fault();
      const { server, ask } = await serve(
        {
          app: (_, app) =>
            get(
              app,
              () =>
                new Response(streamOf((at) => (at === 0 ? undefined : new Promise(() => {})), fault.here)),
            ),
        },
        fault,
      );
      await fault.forEach(async () => {
        const leaver = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
        const left = leaver.request({ ":path": "/fault", ...headers });
        left.on("error", () => {});
        await within(new Promise((resolve) => left.once("data", resolve)), "the first piece");
        leaver.destroy();
        await until(() => server.inFlight === 0, "the end of the request");
      });
      await quiet(server, ask);
    });
  });
}
