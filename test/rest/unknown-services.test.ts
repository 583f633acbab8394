import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { isMeshError } from "../../src/core/errors.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { errorOf, lakeOf } from "./lake.ts";

describe("services that the resolver does not know", () => {
  it("leave nothing behind, neither in the metrics nor in the balancing", async () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    for (let turn = 0; turn < 90; turn++) {
      assert.ok(isMeshError(await errorOf(mesh.fetch(`mesh://nobody-${turn}/`)), "ERR_SERVICE_UNKNOWN"));
    }
    const text = await mesh.metrics.exposition();
    assert.doesNotMatch(text, /nobody/);
    assert.match(text, /mesh_client_requests_total\{service="unknown",.*outcome="service_unknown"\} 90/);
    assert.match(text, /mesh_client_in_flight 0/);
  });

  it("are refused by name, by REST and by RPC", async () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    const expected = /Cannot call swamp: the resolver knows no service of that name; it knows lake/;
    for (const error of [
      await errorOf(mesh.fetch("mesh://swamp/")),
      await errorOf(mesh.rest("swamp").get("x")),
      await errorOf(createClient(EchoService, mesh.transport("swamp")).echo({ text: "" })),
    ]) {
      assert.match(error.message, expected);
    }
  });

  it("are refused with the nearest name, and with the first ones of many", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `service-${index + 1}`);
    const services = Object.fromEntries(["lake", ...names].map((name) => [name, ["http://lake.test"]]));
    const { mesh } = lakeOf(() => new Response("ok"), { resolver: staticResolver(services) });
    assert.equal(
      (await errorOf(mesh.rest("laek").get("x"))).message,
      "Cannot call laek: the resolver knows no service of that name; did you mean lake?",
    );
    assert.match(
      (await errorOf(mesh.rest("swamp").get("x"))).message,
      /; it knows lake, service-1, .*, service-9 and 3 more$/,
    );
  });

  it("are called by the clients that are there, as soon as the resolver knows them", async () => {
    const resolver = new ChangingResolver("swamp");
    resolver.forget();
    const { mesh, requests } = lakeOf(() => new Response("ok"), { resolver });
    const swamp = mesh.rest("swamp");
    const echo = createClient(EchoService, mesh.transport("swamp"));
    assert.ok(isMeshError(await errorOf(swamp.get("x")), "ERR_SERVICE_UNKNOWN"));
    await errorOf(echo.echo({ text: "" }));
    assert.equal(requests.length, 0);
    resolver.set("http://swamp.test");
    assert.equal(await swamp.get("x").text(), "ok");
    const error = await errorOf(echo.echo({ text: "" }));
    assert.ok(error instanceof ConnectError && error.code !== Code.Unavailable, String(error));
    assert.equal(requests.filter(({ url }) => url.startsWith("http://swamp.test/")).length, 2);
    resolver.forget();
    assert.ok(isMeshError(await errorOf(swamp.get("x")), "ERR_SERVICE_UNKNOWN"));
  });
});
