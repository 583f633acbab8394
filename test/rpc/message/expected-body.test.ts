import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType } from "../../../src/http/http2/frame/frame-types.ts";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { createGrpcHandler } from "../../../src/rpc/server/grpc-handler.ts";
import { Played } from "../../http/http2/connection-fixture.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { echoRoutes, OpenPipeline } from "../echo.ts";

const connection = { remoteAddress: "127.0.0.1", encrypted: false, httpVersion: "2", peer: undefined };

/** Calls a method, then sends a byte of its body a minute; says whether the call was still open after ten. */
async function survives(method: string): Promise<boolean> {
  const clock = new VirtualClock();
  const pipeline = new OpenPipeline();
  const handle = createGrpcHandler(createDispatcher({ pipeline, routes: echoRoutes }));
  const server = new Played("server", { clock, stalledMs: 300_000, slowBodyMs: 75_000 });
  server.side.host.serve = (stream, fields) => handle(stream, fields, connection);
  const path = `/datapunk.mesh.test.v1.EchoService/${method}`;
  const pseudo = [":method", "POST", ":scheme", "http", ":path", path, ":authority", "a"];
  server.headers(1, [...pseudo, "content-type", "application/grpc"], false);
  for (let minute = 0; minute < 10; minute++) {
    server.send(frameType.data, 0, 1, new Uint8Array(1));
    await clock.advance(60_000);
  }
  const open = server.side.host.open === 1;
  server.side.connection.destroy();
  return open;
}

describe("a gRPC request that comes a byte a minute", () => {
  for (const method of ["Echo", "Expand"]) {
    it(`is given up when one message is all there should be: ${method}`, async () => {
      assert.equal(await survives(method), false);
    });
  }
  for (const method of ["Collect", "Chat"]) {
    it(`is heard to its end when it is a stream: ${method}`, async () => {
      assert.equal(await survives(method), true);
    });
  }
});
