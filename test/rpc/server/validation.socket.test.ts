import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import { protovalidate } from "../../../src/validate/mod.ts";
import { handlerOf, type RuledClient, said, short } from "../../validate/ruled-service.ts";
import { all, errorOf, streamOf } from "../echo.ts";

const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  await Promise.all(closers.map((close) => close()));
});

for (const protocol of ["grpc", "connect"] as const) {
  describe(`protovalidate() over ${protocol}`, () => {
    it("refuses messages that break the rules, with the violations, alone and in a stream", async () => {
      const handled = handlerOf(short);
      const server = await createMesh({ service: "ruled" }).serve({
        routes: handled.routes,
        validate: protovalidate(),
        hostname: "127.0.0.1",
        port: 0,
      });
      const mesh = createMesh({ service: "caller", resolver: staticResolver({ ruled: [server.url] }) });
      closers.push(
        () => server.close({ force: true }),
        () => mesh.close(),
      );
      const transport = mesh.transport("ruled", { protocol });
      const client = createClient(short, transport) as unknown as RuledClient;
      assert.equal((await client.say(said("yes"))).text, "yes");
      for (const refused of [
        () => client.say(said("too long")),
        () => all(client.chat(streamOf(said("a"), said("too long"), said("b")))),
      ]) {
        const error = await errorOf(refused());
        assert.equal(error.code, Code.InvalidArgument);
        const [violations] = error.findDetails(ViolationsSchema);
        assert.deepEqual(
          violations?.violations.map(({ ruleId }) => ruleId),
          ["string.max_len"],
        );
      }
      assert.deepEqual(handled.texts, ["yes", "a"]);
    });
  });
}
