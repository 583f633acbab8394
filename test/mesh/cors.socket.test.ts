import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh } from "../../src/mesh/mesh.ts";
import { createFetchRpcTransport } from "../../src/rpc/client/fetch-rpc-transport.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes, errorOf } from "../rpc/echo.ts";
import { browserFetch } from "./browser-fetch.ts";

describe("CORS on the mesh's own listener", () => {
  for (const protocol of ["connect", "grpc-web"] as const) {
    it(`lets a page of an allowed origin call by ${protocol}, and no other`, async () => {
      const origin = "https://app.example";
      const mesh = createMesh({ service: "shop", server: { rateLimit: false, cors: { origins: [origin] } } });
      const server = await mesh.serve({ hostname: "127.0.0.1", port: 0, routes: echoRoutes });
      const clientOf = (page: string) => {
        const fetched = browserFetch({ origin: page }, (request) => fetch(request));
        const options = { origin: server.url, protocol };
        return createClient(
          EchoService,
          createFetchRpcTransport({ fetch: fetched as never, options }).transport,
        );
      };
      try {
        const client = clientOf(origin);
        assert.equal((await client.echo({ text: "a" })).text, "a");
        const texts: string[] = [];
        for await (const { text } of client.expand({ text: "b", count: 2 })) texts.push(text);
        assert.deepEqual(texts, ["b", "b"]);
        const failed = await errorOf(client.echo({ text: "gone", fail: Code.NotFound }));
        assert.deepEqual([failed.code, failed.rawMessage], [Code.NotFound, "gone"]);
        assert.match(
          (await errorOf(clientOf("https://evil.example").echo({ text: "a" }))).message,
          /Failed to fetch/,
        );
      } finally {
        await server.close({ force: true });
        await mesh.close();
      }
    });
  }
});
