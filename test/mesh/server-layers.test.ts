import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { MeshError } from "../../src/core/errors.ts";
import type { MeshOptions } from "../../src/mesh/options.ts";
import { createFetchRpcTransport } from "../../src/rpc/client/fetch-rpc-transport.ts";
import type { ServerLayer } from "../../src/serve/inbound-request.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf } from "../rpc/echo.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";
import { asAnn, type LayeredMesh, layeredMesh } from "./server-layers-fixture.ts";

const echo = `${EchoService.typeName}/Echo`;

/** A mesh behind its fetch handler, and a client of each dialect. */
function handled(options: Partial<MeshOptions> = {}): LayeredMesh & {
  rest(headers?: Record<string, string>): Promise<Response>;
  rpc(protocol: "connect" | "grpc-web", headers?: Record<string, string>): Promise<string>;
} {
  const made = layeredMesh(options);
  const { app, routes } = made;
  const handler = made.mesh.handler({ app, routes });
  const fetch = (url: string, init?: object): Promise<Response> =>
    handler.fetch(new Request(url, init as RequestInit));
  return Object.assign(made, {
    rest: (headers: Record<string, string> = asAnn) => fetch("https://layered.test/text", { headers }),
    async rpc(protocol: "connect" | "grpc-web", headers: Record<string, string> = asAnn) {
      const { transport } = createFetchRpcTransport({
        fetch,
        options: { origin: "https://layered.test", protocol },
      });
      return (await createClient(EchoService, transport).echo({ text: "a" }, { headers })).text;
    },
  });
}

describe("a layer of a mesh's server, behind a fetch handler,", () => {
  it("sees REST, Connect and gRPC-Web alike: the call, the request and the outcome", async () => {
    const { rest, rpc, seen } = handled();
    const headers = { ...asAnn, "x-from": "Kiel" };
    assert.equal((await rest(headers)).status, 200);
    assert.equal(await rpc("connect", headers), "a");
    assert.equal(await rpc("grpc-web", headers), "a");
    const expected = [
      ["rest", "GET /text"],
      ["connect", echo],
      ["grpc-web", echo],
    ].flatMap(([protocol, operation]) => [
      `request ${protocol} ${operation} ann Kiel ok`,
      `handler ${protocol} ${operation} ann Kiel ok`,
    ]);
    assert.deepEqual(seen, expected);
  });

  it("sees at `request` what security refuses", async () => {
    const { rest, rpc, seen } = handled();
    assert.equal((await rest({})).status, 401);
    for (const protocol of ["connect", "grpc-web"] as const) {
      assert.equal((await errorOf(rpc(protocol, {}))).code, Code.Unauthenticated);
    }
    assert.deepEqual(seen, [
      "request rest GET /text nobody yet somewhere unauthenticated",
      `request connect ${echo} nobody yet somewhere unauthenticated`,
      `request grpc-web ${echo} nobody yet somewhere unauthenticated`,
    ]);
  });

  for (const position of ["request", "handler"] as const) {
    for (const late of [false, true]) {
      it(`may refuse at \`${position}\`${late ? ", later" : ""}`, async () => {
        const refused = handled();
        refused.before = (at) => {
          if (at !== position) return;
          const error = new MeshError("ERR_PERMISSION_DENIED", "Not on a Sunday");
          if (!late) throw error;
          return settle().then(() => Promise.reject(error));
        };
        assert.equal((await refused.rest()).status, 403);
        for (const protocol of ["connect", "grpc-web"] as const) {
          const error = await errorOf(refused.rpc(protocol));
          assert.deepEqual([error.code, error.rawMessage], [Code.PermissionDenied, "Not on a Sunday"]);
        }
      });

      it(`may let a call on ${late ? "later" : "at once"} at \`${position}\``, async () => {
        const made = handled();
        made.before = () => (late ? settle() : undefined);
        assert.equal((await made.rest()).status, 200);
        for (const protocol of ["connect", "grpc-web"] as const) assert.equal(await made.rpc(protocol), "a");
      });
    }
  }
});

describe("a layer of a mesh's server that does what it must not, behind a fetch handler,", () => {
  const again: ServerLayer = (next) => async (call, request) => {
    await next(call, request);
    return next(call, request);
  };
  const noResponse: ServerLayer = () => () => ({ made: "up" }) as never;

  for (const [what, layer, text] of [
    ["calls the next one twice", again, /twice/],
    ["returns no response", noResponse, /no response|return a Response/],
  ] as const) {
    it(`and ${what} fails the call with an internal error, of which the application is told once`, async () => {
      const told: string[] = [];
      const { rest, rpc, mesh } = handled({
        layers: { server: { handler: [layer] } },
        onError: (error) => told.push(String(error)),
      });
      assert.equal((await rest()).status, 500);
      for (const protocol of ["connect", "grpc-web"] as const) {
        const error = await errorOf(rpc(protocol));
        assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"], protocol);
      }
      assert.equal(told.length, 3, told.join());
      for (const each of told) assert.match(each, text);
      assert.equal(await metricValue(mesh.metrics, "mesh_server_in_flight"), 0);
    });
  }
});
