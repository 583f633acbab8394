import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, describe, it } from "node:test";
import { isTransportError } from "../../src/core/errors.ts";
import { closeAll, listening, meshOver } from "../net/listen/http-fixture.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { deadOrigin } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { errorOf } from "./lake.ts";

describe("hooks over sockets", unless("listen"), () => {
  after(closeAll);

  it("that call again leave the connection of the first response for the second", async () => {
    let connections = 0;
    const server = createServer((request, response) => {
      const status = request.headers.authorization === "new" ? 200 : 401;
      response.writeHead(status, { "content-length": 4 }).end("rows");
    });
    server.on("connection", () => connections++);
    const mesh = meshOver([await listening(server)], { maxConnectionsPerEndpoint: 2 });
    const plain = mesh.rest("lake");
    const lake = plain.extend({
      hooks: {
        afterResponse: [
          ({ request, response }) =>
            response.status === 401
              ? plain.get(request.target, { headers: { authorization: "new" } })
              : undefined,
        ],
      },
    });
    for (let turn = 0; turn < 5; turn++) {
      assert.equal(await within(lake.get("x").text(), "a response"), "rows");
    }
    assert.ok(connections <= 2, `${connections} connections`);
    assert.equal(mesh.endpoints()[0]?.inFlight, 0);
  });

  it("are told of an origin that cannot be reached, by its address", async () => {
    const origin = await deadOrigin();
    const mesh = meshOver([origin]);
    const told: unknown[] = [];
    const hooks = { beforeError: [({ error }: { error: unknown }) => void told.push(error)] };
    const error = await errorOf(mesh.rest(origin, { hooks, retry: false }).get("x"));
    assert.ok(isTransportError(error), String(error));
    assert.ok(error.message.startsWith(`Cannot reach ${origin}: `), error.message);
    assert.match(error.message, /refused/i);
    assert.deepEqual(told, [error]);
  });
});
