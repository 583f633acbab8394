import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import { carry, getFields, Log, okFields, Played, pairOf, postFields, words } from "./connection-fixture.ts";

const expecting = [...postFields, "expect", "100-continue"];

describe("a server's word to go on", () => {
  it("comes before the response, which follows it as if nothing had", () => {
    const { client, server } = pairOf();
    server.host.serve = (stream, _fields, log) => {
      stream.continue();
      stream.informational([":status", "103", "link", "</a>"]);
      log.act = (event) => {
        if (event === "end") stream.respond(okFields, true);
      };
    };
    const log = new Log();
    const stream = client.connection.request(expecting, log);
    carry(client, server);
    assert.deepEqual(log.events, []);
    stream.write(new Uint8Array(3), true);
    carry(client, server);
    assert.deepEqual(log.events, ["headers 200 ended", "end", "close"]);
    assert.equal(server.host.streams[0]!.log.bytes, 3);
  });

  it("is a frame of headers that ends nothing", () => {
    const server = new Played("server");
    server.headers(1, expecting, false);
    server.side.host.streams[0]!.stream.continue();
    const [frame, ...more] = server.sent();
    assert.deepEqual([frame?.type, frame?.flags, more.length], [frameType.headers, 4, 0]);
    assert.deepEqual(server.read(frame!), [":status", "100"]);
  });

  it("is not said behind the response, nor on a stream that is over", () => {
    const server = new Played("server");
    server.headers(1, expecting, false);
    server.headers(3, expecting, false);
    const [first, other] = server.side.host.streams;
    first!.stream.respond(okFields, false);
    first!.stream.continue();
    assert.equal(server.sent().length, 1);
    server.send(frameType.rstStream, 0, 3, words(h2.cancel));
    other!.stream.continue();
    assert.deepEqual(server.told(), []);
  });
});

describe("a server that says nothing but that it will", () => {
  it("loses the call in the end", () => {
    const client = new Played("client");
    const log = new Log();
    client.side.connection.request(getFields, log).end();
    let sent = 0;
    for (; sent < 3_000 && client.side.host.closed === 0; sent++)
      client.headers(1, [":status", "103"], false);
    assert.ok(sent > 900 && sent < 1_100, `${sent} responses`);
    assert.deepEqual(log.events, ["close"]);
  });
});

describe("a stream that its server refuses", () => {
  const refuse = (client: Played): void => client.send(frameType.rstStream, 0, 1, words(h2.refusedStream));
  const goaway = (client: Played): void => client.send(frameType.goaway, 0, 0, words(0, h2.noError));
  for (const [how, end] of [
    ["with a reset", refuse],
    ["with a GOAWAY", goaway],
  ] as const) {
    it(`was never started: ${how}`, () => {
      const client = new Played("client");
      const stream = client.side.connection.request(postFields, new Log());
      end(client);
      assert.equal(stream.neverStarted, true);
    });

    for (const [what, status] of [
      ["its response", "200"],
      ["an informational one", "103"],
    ] as const) {
      it(`was started when ${what} had begun: ${how}`, () => {
        const client = new Played("client");
        const stream = client.side.connection.request(postFields, new Log());
        client.headers(1, [":status", status], false);
        end(client);
        assert.equal(stream.closed, true);
        assert.equal(stream.neverStarted, false);
      });
    }
  }

  it("was started when anything else ends it", () => {
    const client = new Played("client");
    const [reset, lost] = [1, 3].map(() => client.side.connection.request(postFields, new Log()));
    client.send(frameType.rstStream, 0, 1, words(h2.cancel));
    client.side.connection.lost(undefined);
    assert.deepEqual([reset!.neverStarted, lost!.neverStarted], [false, false]);
  });
});
