import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { errorFromProblem } from "../../../src/http/problem.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import { dialectOf } from "../../../src/rpc/dialect/rpc-dialect.ts";
import { connectErrorFromProblem } from "../../../src/rpc/problem.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { echoRoutes } from "../echo.ts";

/** Names that every object knows, though nobody has put them there. */
const inherited = Object.getOwnPropertyNames(Object.prototype);

describe("a name from outside that every object knows", () => {
  it("is no content type", () => {
    for (const name of inherited) {
      for (const type of [name, `${name}; charset=utf-8`, name.toUpperCase()]) {
        assert.deepEqual(dialectOf(type), { protocol: "connect", enveloped: false, json: true }, type);
      }
    }
  });

  it("is no label of the metrics when it comes as a content type", async () => {
    const mesh = createMesh({ service: "echo", server: { rateLimit: false } });
    const handler = mesh.handler({ routes: echoRoutes });
    for (const name of inherited) {
      const request = new Request(`https://echo.test/${EchoService.typeName}/Echo`, {
        method: "POST",
        headers: { "content-type": name },
        body: "{}",
      });
      assert.equal((await handler.fetch(request)).status, 415, name);
    }
    const lines = (await mesh.metrics.exposition()).split("\n");
    const counted = lines.filter((line) => line.startsWith("mesh_server_requests_total{"));
    assert.equal(counted.length, 1);
    assert.match(counted[0]!, /protocol="connect",/);
  });

  it("is no code of a problem", () => {
    for (const code of inherited) {
      const error = connectErrorFromProblem({ status: 404, title: "Not Found", code });
      assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "Not Found"], code);
    }
  });

  it("changes no other object as a member of a problem", () => {
    const body: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    const { problem } = errorFromProblem(body, 400);
    connectErrorFromProblem({ ...problem });
    assert.equal((problem as { polluted?: unknown }).polluted, undefined);
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
});

describe("a problem from outside", () => {
  it("tells no wait that cannot be written into a header", () => {
    for (const retryAfterMs of [-1, 1e300, Infinity, -Infinity, Number.MAX_VALUE, "5", null, {}]) {
      assert.equal(
        errorFromProblem({ retryAfterMs }, 503).problem.retryAfterMs,
        undefined,
        String(retryAfterMs),
      );
    }
    for (const retryAfterMs of [0, 1.5, 1500, Number.MAX_SAFE_INTEGER]) {
      assert.equal(errorFromProblem({ retryAfterMs }, 503).problem.retryAfterMs, retryAfterMs);
    }
  });

  it("has a title that is a text, or none", () => {
    const title = { toString: 1, valueOf: 1 };
    assert.equal(connectErrorFromProblem({ status: 404, title }).rawMessage, "");
  });
});
