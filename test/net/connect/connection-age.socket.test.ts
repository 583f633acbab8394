import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import type { MeshEvent } from "../../../src/core/events.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Mesh, TransportOptions } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { deferred } from "../../rpc/client/grpc-checks.ts";
import { closeAll as closeEchos, serveEcho, until } from "../../rpc/socket-fixture.ts";
import { unless } from "../../support/capability.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { closeAll, listening, meshOver } from "../listen/http-fixture.ts";
import { within } from "../listen/listener-fixture.ts";

const maxConnectionAgeMs = 60_000;

/** Virtual time is no time to wait for pings. */
const keepalive = { intervalMs: 1e9 };

interface Aging {
  readonly mesh: Mesh;
  readonly clock: VirtualClock;
  /** How many connections the client has told of. */
  readonly count: (type: MeshEvent["type"]) => number;
}

function aging(origin: string): Aging {
  const clock = new VirtualClock();
  const types: MeshEvent["type"][] = [];
  const onEvent = (event: MeshEvent): void => void types.push(event.type);
  const options = { clock, onEvent, maxConnectionAgeMs, idleTimeoutMs: 1_000_000 };
  const mesh = meshOver([origin], options);
  return { mesh, clock, count: (type) => types.filter((each) => each === type).length };
}

describe("a connection that is too old", unless("listen", "grpcClient"), () => {
  after(async () => {
    await closeAll();
    await closeEchos();
  });

  for (const protocol of ["grpc", "connect"] as const) {
    it(`is given no new calls, and ends with the last that is open: ${protocol} over HTTP/2`, async () => {
      const { mesh, clock, count } = aging((await serveEcho()).origin);
      const client = createClient(EchoService, mesh.transport("lake", { protocol, keepalive }));
      const end = deferred();
      async function* questions() {
        yield { text: "first" };
        await end.promise;
        yield { text: "last" };
      }
      const chat = client.chat(questions(), { timeoutMs: 0 })[Symbol.asyncIterator]();
      assert.equal((await within(chat.next(), "a message")).value?.text, "first");
      await client.echo({ text: "" });
      await clock.advance(maxConnectionAgeMs * 0.89);
      await client.echo({ text: "" });
      assert.equal(count("connection-opened"), 1);
      await clock.advance(maxConnectionAgeMs * 0.11);
      await within(client.echo({ text: "" }), "a response");
      assert.deepEqual([count("connection-opened"), count("connection-closed")], [2, 0]);
      end.resolve();
      assert.equal((await within(chat.next(), "a message")).value?.text, "last");
      assert.equal((await within(chat.next(), "the end")).done, true);
      await until(() => count("connection-closed") === 1, "the old connection to close");
      await client.echo({ text: "" });
      assert.equal(count("connection-opened"), 2);
      await mesh.close();
    });

    it(`is closed at once when no call is open: ${protocol} over HTTP/2`, async () => {
      const { mesh, clock, count } = aging((await serveEcho()).origin);
      const client = createClient(
        EchoService,
        mesh.transport("lake", { protocol, keepalive, verifyAfterIdleMs: 1e9 }),
      );
      await client.echo({ text: "" });
      await clock.advance(maxConnectionAgeMs);
      await Promise.all([1, 2, 3].map(() => within(client.echo({ text: "" }), "a response")));
      await until(() => count("connection-closed") === 1, "the old connection to close");
      assert.equal(count("connection-opened"), 2);
      await mesh.close();
    });
  }

  const http1: TransportOptions = { protocol: "connect", httpVersion: "1.1" };
  const callers: Readonly<Record<string, (mesh: Mesh) => () => Promise<unknown>>> = {
    REST: (mesh) => {
      const lake = mesh.rest("lake");
      return () => lake.post("x", { json: 1 }).text();
    },
    "Connect over HTTP/1.1": (mesh) => {
      const client = createClient(EchoService, mesh.transport("lake", http1));
      return () => client.echo({ text: "" });
    },
  };
  for (const [name, caller] of Object.entries(callers)) {
    it(`is given no new calls: ${name}`, async () => {
      let connections = 0;
      const server = createServer((request, response) => {
        const type =
          request.headers["content-type"] === "application/json" ? "text/plain" : "application/proto";
        request.resume().on("end", () => response.writeHead(200, { "content-type": type }).end());
      });
      server.on("connection", () => connections++);
      server.keepAliveTimeout = 0;
      const { mesh, clock } = aging(await listening(server));
      const call = caller(mesh);
      for (const [ageMs, expected] of [
        [0, 1],
        [maxConnectionAgeMs * 0.89, 1],
        [maxConnectionAgeMs * 0.11, 2],
        [maxConnectionAgeMs * 0.5, 2],
        [maxConnectionAgeMs * 0.5, 3],
      ] as const) {
        await clock.advance(ageMs);
        await within(call(), "a response");
        // Bun's fetch keeps to itself what becomes of its connections.
        if (runtime.name !== "bun" || name !== "REST") assert.equal(connections, expected);
      }
      await mesh.close();
    });
  }
});

describe("the age of connections", () => {
  it("must be a number of milliseconds", () => {
    for (const maxConnectionAgeMs of [0, -1, Number.NaN, Infinity]) {
      assert.throws(() => createMesh({ service: "x", maxConnectionAgeMs }), {
        name: "RangeError",
        message: /^Cannot make createMesh\(\): maxConnectionAgeMs is .*; pass a number above 0$/,
      });
    }
  });
});
