import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Connection } from "../../../src/core/connection.ts";
import { frameType } from "../../../src/http/http2/frame/frame-types.ts";
import { Http2Exchange } from "../../../src/http/http2/http2-exchange.ts";
import { withoutTimers } from "../../support/without-timers.ts";
import { endStream, getFields, postFields, zeros } from "./connection-fixture.ts";
import { type Timed, timed } from "./timed-server.ts";

const connection: Connection = {
  remoteAddress: "192.0.2.1",
  encrypted: false,
  httpVersion: "2",
  peer: undefined,
};

interface Exchanged extends Timed {
  readonly exchange: Http2Exchange;
}

/** A server's view of one request; the test plays its client. */
function exchanged(fields: readonly string[], ended: boolean): Exchanged {
  const both = timed();
  const { host } = both.server.side;
  let exchange: Http2Exchange | undefined;
  host.serve = (stream, received) => {
    exchange = new Http2Exchange(stream, received, ended, connection);
  };
  both.server.headers(1, fields, ended);
  assert.ok(exchange);
  return { ...both, exchange };
}

describe("an HTTP/2 exchange", () => {
  it("says what it is for, by the authority of the request", () => {
    const { exchange } = exchanged(getFields, true);
    assert.equal(
      exchange.resolve(() => "own"),
      undefined,
    );
    assert.deepEqual(
      [exchange.method, exchange.url, exchange.target, exchange.fields.slice(-2)],
      ["GET", "http://a/", "/", ["host", "a"]],
    );
  });

  it("sends trailers at the end of a body without a declared length", () => {
    const { exchange, server } = exchanged(getFields, true);
    exchange.begin(200, ["x-a", "1", "connection", "close"]);
    exchange.write(zeros(3));
    exchange.end(["x-sum", "3", "te", "trailers"]);
    const [head, , trailers] = server.sent();
    assert.deepEqual(server.read(head!), [":status", "200", "x-a", "1"]);
    assert.deepEqual(server.read(trailers!), ["x-sum", "3"]);
    assert.equal(exchange.gone, false);
  });

  it("cuts a body off where its declared length ends, and breaks off one that ends before", () => {
    const long = exchanged(getFields, true);
    long.exchange.begin(200, ["content-length", "4"]);
    assert.throws(() => long.exchange.write(zeros(5)), /longer than its Content-Length/);
    assert.deepEqual(long.server.told(), ["headers 1", "data 1 4"]);
    const short = exchanged(getFields, true);
    short.exchange.begin(200, ["content-length", "4"]);
    short.exchange.write(zeros(3));
    assert.throws(() => short.exchange.end(), /ends 1 bytes before/);
    short.exchange.abort();
    assert.deepEqual(short.server.told(), ["headers 1", "data 1 3", "reset 1 internalError"]);
  });

  it("has no body in a response to HEAD, or with 204 or 304", () => {
    const head = exchanged([":method", "HEAD", ...getFields.slice(2)], true);
    head.exchange.respond(200, ["content-length", "5"], "hello");
    assert.deepEqual(head.server.told(), ["headers 1"]);
    for (const status of [204, 304]) {
      const { exchange, server } = exchanged(getFields, true);
      exchange.begin(status, []);
      exchange.write(zeros(1));
      exchange.end();
      assert.deepEqual(server.told(), ["headers 1"]);
    }
  });

  it("lets a client that still sends finish for half a second, then tells it to stop", () =>
    withoutTimers(async () => {
      const { exchange, server, clock } = exchanged(postFields, false);
      exchange.respond(200, ["content-length", "2"], "ok");
      server.send(frameType.data, 0, 1, zeros(100));
      await clock.advance(499);
      assert.deepEqual(server.told(), ["headers 1", "data 1 2"]);
      await clock.advance(1);
      assert.deepEqual(server.told(), ["reset 1 noError"]);
      assert.equal(exchange.gone, false);
    }));

  it("resets nothing when the client finishes in that time", () =>
    withoutTimers(async () => {
      const { exchange, server, clock } = exchanged(postFields, false);
      exchange.respond(200, ["content-length", "2"], "ok");
      server.send(frameType.data, endStream, 1, zeros(100));
      await clock.advance(10_000);
      assert.deepEqual(server.told(), ["headers 1", "data 1 2"]);
    }));

  it("tells its handler, once, when the client has gone", () => {
    const { exchange, server } = exchanged(postFields, false);
    const told: string[] = [];
    exchange.whenDrained(() => told.push("drained"));
    exchange.onGone(() => told.push("gone"));
    const { signal } = exchange;
    exchange.begin(200, []);
    server.send(frameType.rstStream, 0, 1, zeros(4));
    assert.deepEqual(
      [told, exchange.gone, exchange.over, signal.aborted],
      [["drained", "gone"], true, true, true],
    );
    exchange.end();
    assert.deepEqual(server.told(), ["headers 1"]);
  });

  it("waits with the body until somebody reads it, and throws away that of a GET", async () => {
    const { exchange, server } = exchanged(postFields, false);
    exchange.resolve(() => "own");
    server.send(frameType.data, 0, 1, zeros(3));
    server.send(frameType.data, endStream, 1, zeros(2));
    assert.equal((await exchange.body!.collect()).length, 5);
    const get = exchanged(getFields, false);
    get.exchange.resolve(() => "own");
    assert.equal(get.exchange.body, undefined);
  });
});
