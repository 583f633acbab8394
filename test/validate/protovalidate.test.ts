import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, createClient, type Interceptor } from "@connectrpc/connect";
import { protovalidate } from "../../src/validate/protovalidate.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { all, echoRoutes, errorOf, streamOf } from "../rpc/echo.ts";
import { serveStandard } from "../rpc/standard-fixture.ts";
import { type Handled, handlerOf, type RuledClient, ruledService, said, short } from "./ruled-service.ts";

function clientOf(service: DescService, handled: Handled, onError?: (error: unknown) => void): RuledClient {
  const { transport } = serveStandard(
    { routes: handled.routes, validate: protovalidate() },
    onError && { onError },
  );
  return createClient(service, transport) as unknown as RuledClient;
}

describe("protovalidate()", () => {
  it("lets through what keeps the rules, and refuses what breaks them, with the violations", async () => {
    const handled = handlerOf(short);
    const client = clientOf(short, handled);
    assert.equal((await client.say(said("yes"))).text, "yes");
    const error = await errorOf(client.say(said("too long")));
    assert.equal(error.code, Code.InvalidArgument);
    const [violations] = error.findDetails(ViolationsSchema);
    assert.deepEqual(
      violations?.violations.map(({ ruleId, field: path }) => [
        ruleId,
        path?.elements.map(({ fieldName }) => fieldName),
      ]),
      [["string.max_len", ["inner", "text"]]],
    );
    assert.deepEqual(handled.texts, ["yes"]);
  });

  it("checks every message of a stream", async () => {
    const handled = handlerOf(short);
    const error = await errorOf(
      all(clientOf(short, handled).chat(streamOf(said("a"), said("too long"), said("b")))),
    );
    assert.equal(error.code, Code.InvalidArgument);
    assert.deepEqual(handled.texts, ["a"]);
  });

  it("holds for services with interceptors of their own, outside of them", async () => {
    let ran = 0;
    const count: Interceptor = (next) => (request) => {
      ran++;
      return next(request);
    };
    const client = clientOf(short, handlerOf(short, [count]));
    assert.equal((await errorOf(client.say(said("too long")))).code, Code.InvalidArgument);
    assert.equal(ran, 0);
    await client.say(said("yes"));
    assert.equal(ran, 1);
  });

  it("blames a rule that cannot be run on the server", async () => {
    const broken = ruledService({ cel: [{ id: "broken", expression: "this.no.such(" }] });
    const told: unknown[] = [];
    const client = clientOf(broken, handlerOf(broken), (error) => told.push(error));
    const error = await errorOf(client.say(said("yes")));
    assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"]);
    assert.equal(told.length, 1);
  });

  it("leaves services without rules alone", async () => {
    const validation = protovalidate();
    assert.deepEqual(
      EchoService.methods.filter((method) => validation.appliesTo(method)),
      [],
    );
    const { transport } = serveStandard({ routes: echoRoutes, validate: validation });
    assert.equal((await createClient(EchoService, transport).echo({ text: "hi" })).text, "hi");
  });
});
