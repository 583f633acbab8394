import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { runtime } from "#runtime";
import { isMeshError } from "../../src/core/errors.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions, ServeOptions, Server } from "../../src/mesh/options.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { until } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { settle } from "../support/virtual-clock.ts";

describe("The servers of one mesh", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  function meshOf(options: Partial<MeshOptions> = {}): Mesh {
    const mesh = createMesh({ service: "shop", server: { rateLimit: false }, ...options });
    cleanup.add(() => mesh.close({ force: true }));
    return mesh;
  }

  const serve = (mesh: Mesh, options: Partial<ServeOptions> = {}): Promise<Server> => {
    const app = mesh.app();
    app.get("/hello", (c) => c.text("hello"));
    return mesh.serve({ app, routes: echoRoutes, hostname: "127.0.0.1", port: 0, ...options });
  };

  async function statuses({ url }: Server): Promise<readonly number[]> {
    const responses = await Promise.all(["/hello", "/readyz"].map((path) => fetch(`${url}${path}`)));
    for (const response of responses) await response.body?.cancel();
    return responses.map(({ status }) => status);
  }

  it("can be followed by another one when they are closed", async () => {
    const mesh = meshOf();
    for (let round = 0; round < 3; round++) {
      const server = await serve(mesh);
      assert.deepEqual(await statuses(server), [200, 200]);
      await within(server.close(), "the end of the server");
    }
  });

  it("serve the same app at the same time, and neither notices the end of the other", async () => {
    const mesh = meshOf();
    const app = mesh.app();
    app.get("/hello", (c) => c.text("hello"));
    const [one, two] = [await serve(mesh, { app }), await serve(mesh, { app })];
    await within(one.close(), "the end of the first");
    assert.deepEqual(await statuses(two), [200, 200]);
    await within(two.close(), "the end of the second");
  });

  it("are ready each for itself, by REST and by RPC", async () => {
    const mesh = meshOf();
    const app = mesh.app();
    const [one, two] = [await serve(mesh, { app }), await serve(mesh, { app })];
    const resolver = staticResolver({ one: [one.url], two: [two.url] });
    const client = createMesh({ service: "caller", resolver });
    cleanup.add(() => client.close());
    const ready = (name: string): Promise<readonly string[]> =>
      Promise.all([
        client.rest(name).health(),
        client.transport(name).health(),
        client.transport(name).health({ of: "other.Service" }),
      ]).then((all) => all.map(({ status }) => status));
    two.setServing("other.Service", true);
    one.setReady(false);
    assert.deepEqual(await ready("one"), ["not_serving", "not_serving", "service_unknown"]);
    assert.deepEqual(await ready("two"), ["serving", "serving", "serving"]);
  });

  it("leave the clients of the mesh alone when they close", async () => {
    const other = await serve(meshOf());
    const mesh = meshOf({ resolver: staticResolver({ other: [other.url] }) });
    const server = await serve(mesh);
    await within(server.close({ force: true }), "the end of the server");
    assert.equal(await mesh.rest("other").get("hello").text(), "hello");
  });

  it("all end with the mesh, which then serves no more", async () => {
    const mesh = meshOf();
    const opening = serve(mesh);
    const [one, two] = [await serve(mesh), await opening];
    const late = serve(mesh);
    await within(mesh.close(), "the end of the mesh");
    for (const server of [one, two, await late]) await within(server.closed, "the end of each server");
    await assert.rejects(serve(mesh), (error) => isMeshError(error, "ERR_SHUTTING_DOWN"));
    const handler = mesh.handler({ app: mesh.app() });
    assert.equal((await handler.fetch(new Request("http://shop/readyz"))).status, 503);
  });

  it("can be told to end at once by the mesh, also when it is waiting for them", async () => {
    const mesh = meshOf();
    const app = mesh.app();
    const begun = Promise.withResolvers<void>();
    app.get("/forever", ({ req }) => {
      begun.resolve();
      const { signal } = req.raw;
      return new Promise<Response>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    });
    const server = await serve(mesh, { app });
    const lost = assert.rejects(fetch(`${server.url}/forever`));
    await begun.promise;
    const closing = mesh.close();
    await within(mesh.close({ force: true }), "the end of the mesh");
    await closing;
    await lost;
  });

  it("keep the clients, after a signal, until the last of them is closed", async () => {
    const handlers: (() => void)[] = [];
    const other = await serve(meshOf());
    const ended = Promise.withResolvers<void>();
    const mesh = meshOf({
      resolver: Object.assign(staticResolver({ other: [other.url] }), { close: () => ended.resolve() }),
      runtime: {
        ...runtime,
        onSignals(_, handler) {
          handlers.push(() => handler("SIGTERM"));
          return () => {};
        },
      },
    });
    const one = await serve(mesh, { closeOnSignals: true });
    const two = await serve(mesh);
    handlers[0]!();
    await within(one.closed, "the end of the first");
    assert.deepEqual(await statuses(two), [200, 200]);
    assert.equal(await mesh.rest("other").get("hello").text(), "hello");
    await within(two.close(), "the end of the second");
    await within(ended.promise, "the end of the mesh");
  });

  it("end at once at the second signal, not at the first because the program closes them already", async () => {
    const signal = Promise.withResolvers<() => void>();
    const mesh = meshOf({
      runtime: {
        ...runtime,
        onSignals(_, handler) {
          signal.resolve(() => handler("SIGTERM"));
          return () => {};
        },
      },
    });
    const app = mesh.app();
    const responses: ((text: string) => void)[] = [];
    app.get(
      "/slow",
      (c) => new Promise<Response>((resolve) => responses.push((text) => resolve(c.text(text)))),
    );
    const server = await serve(mesh, { app, closeOnSignals: true });
    const slow = fetch(`${server.url}/slow`).then((response) => response.text());
    await until(() => responses.length > 0);
    const closing = server.close();
    (await signal.promise)();
    await settle();
    responses[0]!("done");
    assert.equal(await within(slow, "the response"), "done");
    await within(closing, "the end of the server");
  });

  it("that would be closed by signals leave the mesh open when the program closes them", async () => {
    const stopped = Promise.withResolvers<void>();
    const mesh = meshOf({ runtime: { ...runtime, onSignals: () => () => stopped.resolve() } });
    await (await serve(mesh, { closeOnSignals: true })).close();
    await stopped.promise;
    await settle();
    assert.deepEqual(await statuses(await serve(mesh)), [200, 200]);
  });

  it("are closed at the end of a block, and so is the mesh", async () => {
    let server: Server;
    {
      await using mesh = createMesh({ service: "shop" });
      {
        await using first = await serve(mesh);
        assert.deepEqual(await statuses(first), [200, 200]);
        server = first;
      }
      await assert.rejects(fetch(server.url));
      server = await serve(mesh);
      assert.deepEqual(await statuses(server), [200, 200]);
    }
    await assert.rejects(fetch(server.url));
  });

  it("go on serving for the delay of their drain, and say that they are not ready", async () => {
    const mesh = meshOf();
    const server = await serve(mesh, { drain: { delayMs: 60_000 } });
    const closing = server.close();
    // Over new connections, too.
    for (let round = 0; round < 2; round++) assert.deepEqual(await statuses(server), [200, 503]);
    await within(server.close({ force: true }), "the end of the server");
    await closing;
  });
});
