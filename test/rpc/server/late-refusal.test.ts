import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError } from "../../../src/core/errors.ts";
import { createFetchDispatch } from "../../../src/rpc/server/fetch-dispatch.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle } from "../../support/virtual-clock.ts";
import { OpenPipeline, serveInProcess, someConnection } from "../echo.ts";

const echo = `/${EchoService.typeName}/Echo`;
const expand = `/${EchoService.typeName}/Expand`;
const unknown = "/nobody.v1.Nothing/Serves";

/** Requests whose own form is wrong, or for what nobody serves: path, headers, method. */
const malformed: readonly (readonly [string, Record<string, string>, string?])[] = [
  [echo, { "content-type": "application/proto", "connect-timeout-ms": "soon" }],
  [echo, { "content-type": "application/proto", "content-encoding": "zip" }],
  [echo, { "content-type": "application/proto", "connect-protocol-version": "99" }],
  [echo, { "content-type": "text/plain" }],
  [echo, { "content-type": "application/proto" }, "PUT"],
  [expand, { "content-type": "application/connect+proto", "connect-timeout-ms": "soon" }],
  [expand, { "content-type": "application/connect+proto", "connect-content-encoding": "zip" }],
  [unknown, { "content-type": "application/connect+proto" }],
  [echo, { "content-type": "application/grpc-web+proto", "grpc-timeout": "soon" }],
  [echo, { "content-type": "application/grpc-web+proto", "grpc-encoding": "zip" }],
  [echo, { "content-type": "application/grpc-web+thrift" }],
  [unknown, { "content-type": "application/grpc-web+proto" }],
];

async function ask(pipeline: OpenPipeline, path: string, init: RequestInit): Promise<Response> {
  const fetch = createFetchDispatch(serveInProcess({ pipeline }).dispatcher);
  const response = await fetch(new Request(`https://echo.test${path}`, init), someConnection);
  return response ?? assert.fail("The request was taken for none of RPC's");
}

describe("An pipeline that refuses late, behind a fetch handler", () => {
  for (const [path, headers, method = "POST"] of malformed) {
    it(`says so to ${method} ${path} with ${JSON.stringify(headers)}, and no more`, async () => {
      const pipeline = new OpenPipeline();
      const refuse = Promise.withResolvers<void>();
      pipeline.check = () => refuse.promise;
      const answered = ask(pipeline, path, { method, headers, body: new Uint8Array(5) });
      await settle();
      assert.equal(pipeline.outcomes[0], undefined);
      refuse.reject(new MeshError("ERR_PERMISSION_DENIED", "not you"));
      const response = await answered;
      const said = `${[...response.headers].join()} ${await response.text()}`;
      assert.match(said, /permission_denied|grpc-status,7/);
      assert.equal(pipeline.call.outcome?.status, "permission_denied");
      await settle();
    });
  }

  for (const path of [echo, unknown]) {
    it(`has no part in the 415 that native gRPC gets for ${path}`, async () => {
      const pipeline = new OpenPipeline();
      pipeline.check = () => Promise.reject(new MeshError("ERR_PERMISSION_DENIED", "not you"));
      const headers = { "content-type": "application/grpc" };
      const response = await ask(pipeline, path, { method: "POST", headers });
      assert.equal(response.status, 415);
      assert.notEqual(pipeline.call.outcome, undefined);
      await settle();
    });
  }
});
