import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { TransportError } from "../../src/core/errors.ts";
import { errorFromProblem } from "../../src/http/problem.ts";
import { connectErrorFromProblem } from "../../src/rpc/problem.ts";
import { EchoRequestSchema } from "../gen/test/v1/echo_pb.ts";
import { type Fixture, problemOf, serverFixture } from "./fixture.ts";

for (const way of ["fused", "behind a middleware"] as const) {
  const fixture = (): Fixture => {
    const made = serverFixture();
    if (way === "behind a middleware") made.app.use((_, next) => next());
    return made;
  };

  describe(`a Connect error thrown in a handler of an app, ${way},`, () => {
    it("loses nothing on its way to a client", async () => {
      const thrown = new ConnectError("the row is locked", Code.Internal, { "x-row": "7" }, [
        { desc: EchoRequestSchema, value: { text: "row 7", count: 3 } },
      ]);
      const { app, errors } = fixture();
      app.get("/", async () => {
        throw thrown;
      });
      const response = await app.request("/", { headers: { "x-request-id": "r1" } });
      const problem = await problemOf(response);
      assert.deepEqual(
        [problem.status, problem.code, problem.detail, problem.instance],
        [500, "internal", "the row is locked", "r1"],
      );
      assert.deepEqual(errors, [thrown]);
      const read = errorFromProblem(problem, response.status).problem;
      const error = connectErrorFromProblem(read);
      assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "the row is locked"]);
      assert.equal(error.metadata.get("x-row"), "7");
      const [detail] = error.findDetails(EchoRequestSchema);
      assert.deepEqual([detail?.text, detail?.count], ["row 7", 3]);
    });

    it("names no addresses when it passes on a fault on the way to another service", async () => {
      const { app } = fixture();
      const fault = new TransportError("refused", "Cannot reach https://10.0.0.7:7101");
      app.get("/", () => {
        throw new ConnectError(fault.message, Code.Unavailable, undefined, undefined, fault);
      });
      const text = await (await app.request("/")).text();
      assert.ok(!text.includes("10.0.0.7"), text);
    });
  });
}
