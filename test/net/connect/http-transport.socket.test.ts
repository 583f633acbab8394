import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { signal, within } from "../listen/listener-fixture.ts";
import { httpOrigin, newCall, openTransport, send } from "./http-transport-fixture.ts";

describe("HTTP transport", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it("sends method, path, query, headers and body as they are", async () => {
    const transport = openTransport(cleanup);
    const origin = await httpOrigin(cleanup, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method, url, headers } = request;
        response.setHeader("content-type", "application/json");
        response.end(
          JSON.stringify({ method, url, header: headers["x-one"], body: Buffer.concat(chunks).toString() }),
        );
      });
    });
    for (const body of ["text ü", new TextEncoder().encode("text ü"), new Blob(["text ", "ü"]).stream()]) {
      const url = `${origin}/a%20b/c?d=e&f=%2F`;
      const answer = await send(transport, url, { method: "PATCH", headers: { "x-one": "1" }, body });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-type"), "application/json");
      assert.deepEqual(await answer.json(), {
        method: "PATCH",
        url: "/a%20b/c?d=e&f=%2F",
        header: "1",
        body: "text ü",
      });
    }
  });

  it("reads responses as text, bytes and stream", async () => {
    const transport = openTransport(cleanup);
    const text = "täglich ".repeat(50_000);
    const origin = await httpOrigin(cleanup, (_request, response) => response.end(text));
    assert.equal(await (await send(transport, `${origin}/`)).text(), text);
    assert.equal(new TextDecoder().decode(await (await send(transport, `${origin}/`)).bytes()), text);
    const { body } = await send(transport, `${origin}/`);
    assert.ok(body);
    assert.equal(await new Response(body).text(), text);
  });

  it("reads a body once", async () => {
    const transport = openTransport(cleanup);
    const origin = await httpOrigin(cleanup, (_request, response) => response.end("once"));
    const answer = await send(transport, `${origin}/`);
    assert.equal(await answer.text(), "once");
    await assert.rejects(answer.text(), TypeError);
  });

  it("keeps repeated headers", async () => {
    const transport = openTransport(cleanup);
    const origin = await httpOrigin(cleanup, (_request, response) => {
      response.writeHead(200, { "set-cookie": ["a=1", "b=2"], "x-one": "1" });
      response.end();
    });
    const { headers } = await send(transport, `${origin}/`);
    const pairs = [...headers].filter(([name]) => name === "set-cookie");
    assert.deepEqual(pairs, [
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    assert.equal(headers.get("x-one"), "1");
    assert.equal(headers.get("x-two") ?? null, null);
  });

  it("has no body after HEAD, 204 and 304", async () => {
    const transport = openTransport(cleanup);
    const origin = await httpOrigin(cleanup, (request, response) => {
      response.writeHead(
        Number(request.url?.slice(1)),
        request.method === "HEAD" ? { "content-length": "7" } : {},
      );
      response.end();
    });
    for (const [method, status] of [
      ["HEAD", 200],
      ["GET", 204],
      ["GET", 304],
    ] as const) {
      const answer = await send(transport, `${origin}/${status}`, { method });
      assert.equal(answer.status, status);
      assert.equal(answer.body, null);
      assert.equal(await answer.text(), "");
    }
  });

  it("shows redirects instead of following them", async () => {
    const transport = openTransport(cleanup);
    const origin = await httpOrigin(cleanup, (_request, response) => {
      response.writeHead(302, { location: "/elsewhere" });
      response.end();
    });
    const answer = await send(transport, `${origin}/`);
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.get("location"), "/elsewhere");
  });

  it("uses a connection again", async () => {
    const transport = openTransport(cleanup);
    const ports = new Set<number | undefined>();
    const origin = await httpOrigin(cleanup, (request, response) => {
      ports.add(request.socket.remotePort);
      response.end("again");
    });
    for (let index = 0; index < 20; index++) await (await send(transport, `${origin}/`)).text();
    // A pool may learn a moment after its caller that a connection is free.
    assert.ok(ports.size <= 2, `${ports.size} connections for one request at a time`);
  });

  it("opens no more connections to an endpoint than it may, and makes the rest wait", async () => {
    const transport = openTransport(cleanup, { maxConnectionsPerEndpoint: 3 });
    const open = new Set<number | undefined>();
    const waiting: (() => unknown)[] = [];
    const three = signal();
    const origin = await httpOrigin(cleanup, (request, response) => {
      open.add(request.socket.remotePort);
      waiting.push(() => response.end("done"));
      if (waiting.length === 3) three.fire();
    });
    const other = await httpOrigin(cleanup, (_request, response) => response.end("other"));
    const answers = Array.from({ length: 9 }, async () => (await send(transport, `${origin}/`)).text());
    await within(three.promise, "three requests");
    // Another endpoint has connections of its own, and its round trip lets a fourth request come if it can.
    assert.equal(await (await send(transport, `${other}/`)).text(), "other");
    assert.equal(waiting.length, 3);
    for (let index = 0; index < 9; index++) {
      let next = waiting.shift();
      for (; next === undefined; next = waiting.shift())
        await new Promise((resolve) => setImmediate(resolve));
      next();
    }
    assert.deepEqual(
      await Promise.all(answers),
      Array.from({ length: 9 }, () => "done"),
    );
    assert.equal(open.size, 3);
  });

  it("makes a server wait for a body that nobody reads", async () => {
    const transport = openTransport(cleanup);
    const chunk = Buffer.alloc(65_536, 97);
    const chunks = 1_024;
    let written = 0;
    const origin = await httpOrigin(cleanup, (_request, response) => {
      const more = (): void => {
        while (written < chunks) {
          written++;
          if (!response.write(chunk)) {
            response.once("drain", more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    const ping = await httpOrigin(cleanup, (_request, response) => response.end("pong"));
    const { body } = await send(transport, `${origin}/`);
    assert.ok(body);
    let same = 0;
    for (let before = -1; same < 20; ) {
      await (await send(transport, `${ping}/`)).text();
      same = written === before ? same + 1 : 0;
      before = written;
      assert.ok(written < chunks, "nothing held the server back");
    }
    let received = 0;
    for await (const part of body) received += part.byteLength;
    assert.equal(received, chunk.length * chunks);
  });

  it("makes the source of a body wait for a server that does not read", async () => {
    const transport = openTransport(cleanup);
    const chunks = 1_024;
    const read = signal();
    let length = 0;
    const origin = await httpOrigin(cleanup, async (request, response) => {
      request.pause();
      await read.promise;
      request.on("data", (chunk: Buffer) => {
        length += chunk.length;
      });
      request.on("end", () => response.end(String(length)));
      request.resume();
    });
    const ping = await httpOrigin(cleanup, (_request, response) => response.end("pong"));
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (pulled === chunks) controller.close();
          else {
            pulled++;
            controller.enqueue(new Uint8Array(65_536));
          }
        },
      },
      { highWaterMark: 0 },
    );
    const answer = transport.send(newCall(), { method: "POST", url: `${origin}/`, headers: {}, body });
    let same = 0;
    for (let before = -1; same < 20; ) {
      await (await send(transport, `${ping}/`)).text();
      same = pulled === before ? same + 1 : 0;
      before = pulled;
      assert.ok(pulled < chunks, "nothing held the source back");
    }
    read.fire();
    assert.equal(await (await within(answer, "a response", 60_000)).text(), String(65_536 * chunks));
  });
});
