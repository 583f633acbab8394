import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { all, streamOf } from "../rpc/echo.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";

/** What a `fetch` may do that does not listen to its signal. */
const ways = {
  "responds never": () => new Promise<Response>(() => {}),
  "stops in the middle of a stream": () =>
    new Response(new ReadableStream({}, { highWaterMark: 0 }), {
      headers: { "content-type": "application/connect+proto" },
    }),
  "stops in the middle of a message": () =>
    new Response(new ReadableStream({}, { highWaterMark: 0 }), {
      headers: { "content-type": "application/proto" },
    }),
};

describe("an RPC over a fetch that does not listen", () => {
  for (const [way, serve] of Object.entries(ways)) {
    it(`ends at its deadline and with its caller's interest when the fetch ${way}`, async () => {
      for (const how of ["deadline", "caller"]) {
        for (const kind of ["unary", "server stream", "client stream"]) {
          const { mesh, clock } = lakeOf(serve);
          const echo = createClient(EchoService, mesh.transport("lake"));
          const controller = new AbortController();
          const options = { timeoutMs: 500, signal: controller.signal };
          const run =
            kind === "unary"
              ? echo.echo({}, options)
              : kind === "server stream"
                ? all(echo.expand({}, options))
                : echo.collect(streamOf({ text: "a" }), options);
          const failed = errorOf(run);
          await settle();
          if (how === "caller") controller.abort();
          const { code } = (await clock.run(failed)) as ConnectError;
          // A response of the wrong media type fails at once.
          const expected = how === "caller" ? Code.Canceled : Code.DeadlineExceeded;
          assert.ok(code === expected || code === Code.Internal, `${how} ${kind}: ${Code[code]}`);
          await settle();
          await clock.advance(100);
          const inFlight = await metricValue(mesh.metrics, "mesh_client_in_flight");
          assert.deepEqual(
            [mesh.endpoints()[0]?.inFlight, inFlight, clock.pending],
            [0, 0, 0],
            `${how} ${kind}`,
          );
        }
      }
    });
  }
});
