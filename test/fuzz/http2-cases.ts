import assert from "node:assert/strict";
import { Http2Error } from "../../src/http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream } from "../../src/http/http2/streams/stream.ts";
import { type Log, pairOf, type Side, sideOf } from "../http/http2/connection-fixture.ts";
import { Dice } from "../support/dice.ts";
import { cut, joined, mutated } from "../support/mutate.ts";
import { clientFrames, type Message, serverFrames } from "./http2-frames.ts";

function requestOf(dice: Dice): Message {
  const method = dice.pick(["GET", "POST", "PUT", "HEAD", "OPTIONS"]);
  const fields = [":method", method, ":scheme", "http", ":path", `/${dice.text(5)}`, ":authority", "a"];
  const body = method === "POST" || method === "PUT" ? dice.bytes(dice.size(5_000)) : new Uint8Array(0);
  if (dice.chance(0.2)) fields.push("content-length", String(body.length));
  for (let count = dice.below(4); count > 0; count--) {
    fields.push(`x-${dice.text(3, "abc")}`, dice.text(dice.size(100)));
  }
  return { fields, body, trailers: dice.chance(0.2) ? ["x-end", dice.text(4)] : undefined };
}

function responseOf(dice: Dice): Message {
  const fields = [
    ":status",
    dice.pick(["200", "204", "404", "100", "500"]),
    "x-a",
    dice.text(dice.size(100)),
  ];
  return {
    fields,
    body: dice.bytes(dice.size(5_000)),
    trailers: dice.chance(0.5) ? ["grpc-status", String(dice.below(20))] : undefined,
  };
}

/** What a server does with a request, all from within the reading of the connection. */
const nasty: readonly ((stream: Http2Stream, dice: Dice, log: Log) => unknown)[] = [
  (stream) => stream.respond([":status", "200"], true),
  (stream, dice) => {
    stream.respond([":status", "200"], false);
    stream.write(dice.bytes(dice.size(100_000)), true);
  },
  (stream) => stream.close(8),
  (stream) => stream.pause(),
  (stream) => {
    stream.letGoAtEnd = true;
    stream.respond([":status", "404"], true);
  },
  (stream, dice, log) => {
    log.act = () => {
      if (dice.chance(0.3)) stream.resume();
      if (dice.chance(0.3)) stream.pause();
      if (dice.chance(0.2)) stream.write(dice.bytes(dice.size(1_000)));
      if (dice.chance(0.1)) stream.endWithTrailers(["a", "b"]);
      if (dice.chance(0.1)) stream.close(0);
    };
    stream.respond([":status", "200"], false);
  },
  (stream) => {
    stream.continue();
    stream.respond([":status", "200"], false);
    stream.endWithTrailers(["a", "b"]);
    stream.write(new Uint8Array(1));
  },
];

/** All that a connection holds is let go when it is lost, each stream is told of its end once. */
function checkEnd({ connection, host, transport }: Side): void {
  assert.ok(transport.waitingBytes < 20 * 1024 * 1024, `${transport.waitingBytes} bytes wait`);
  connection.lost(undefined);
  assert.equal(host.open, 0, "streams that are not over");
  assert.equal(connection.streams.size, 0, "streams that are kept");
  assert.equal(host.closed, 1, "ends that were told");
  if (host.error !== undefined && !(host.error instanceof Http2Error)) throw host.error;
  for (const { log } of host.streams) {
    assert.equal(
      log.events.filter((event) => event === "close").length,
      1,
      "ends of a stream that were told",
    );
  }
}

function play(side: Side, dice: Dice, bytes: readonly Uint8Array[]): void {
  const { connection, transport } = side;
  for (const piece of bytes) {
    connection.receive(piece);
    if (dice.chance(0.1)) connection.frameWriter.flush();
    if (dice.chance(0.1)) transport.take();
    if (dice.chance(0.02)) transport.full = true;
    else if (dice.chance(0.1)) {
      transport.full = false;
      connection.drained();
    }
    if (dice.chance(0.002)) connection.close();
  }
}

/** A server survives whatever a client sends. */
export function serverSide(seed: number): void {
  const dice = new Dice(seed);
  const side = sideOf("server");
  side.host.serve = (stream, _fields, log) => dice.pick(nasty)(stream, dice, log);
  const make = (): Uint8Array[] => clientFrames(dice, () => requestOf(dice));
  const frames = dice.chance(0.1) ? make() : mutated(dice, make(), make);
  play(side, dice, dice.chance(0.5) ? frames : cut(dice, joined(frames)));
  checkEnd(side);
}

/** A client survives whatever a server sends. */
export function clientSide(seed: number): void {
  const dice = new Dice(seed);
  const side = sideOf("client");
  const ends: number[] = [];
  const ids = [1, 3, 5, 7];
  for (const id of ids) {
    const stream = side.connection.request(
      [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"],
      {
        onHeaders() {},
        onData() {
          if (dice.chance(0.1)) stream.pause();
          if (dice.chance(0.1)) stream.resume();
          if (dice.chance(0.02)) stream.close(8);
        },
        onTrailers() {},
        onEnd() {},
        onDrain() {},
        onClose: () => ends.push(id),
      },
    );
    stream.write(dice.bytes(dice.size(1_000)), dice.chance(0.5));
  }
  const make = (): Uint8Array[] => serverFrames(dice, ids, () => responseOf(dice));
  const frames = dice.chance(0.1) ? make() : mutated(dice, make(), make);
  play(side, dice, dice.chance(0.5) ? frames : cut(dice, joined(frames)));
  checkEnd(side);
  assert.deepEqual(ends.sort(), ids, "ends of streams that were told");
}

interface Got {
  fields: Fields;
  readonly chunks: Uint8Array[];
  trailers: Fields | undefined;
  ended: boolean;
}

/** What one side says arrives at the other as it was meant, however it is cut. */
export function bothSides(seed: number): void {
  const dice = new Dice(seed);
  const { client, server } = pairOf();
  const carry = (from: Side, to: Side): boolean => {
    from.connection.frameWriter.flush();
    const bytes = from.transport.take();
    for (const piece of cut(dice, bytes)) to.connection.receive(piece);
    return bytes.length > 0;
  };
  const messages = new Map<string, { readonly request: Message; readonly response: Message }>();
  const got = new Map<string, Got>();
  server.host.serve = (stream, fields, log) => {
    const id = fields[fields.indexOf("x-id") + 1]!;
    const { response } = messages.get(id)!;
    log.act = (event) => {
      if (event !== "end") return;
      assert.equal(log.bytes, messages.get(id)!.request.body.length, "bytes of the request");
      stream.respond(response.fields, false);
      stream.write(response.body);
      if (response.trailers === undefined) stream.end();
      else stream.endWithTrailers(response.trailers);
    };
  };
  for (let count = dice.between(1, 8); count > 0; count--) {
    const id = String(count);
    const request = { ...requestOf(dice), body: dice.bytes(dice.size(100_000)) };
    const response = { ...responseOf(dice), fields: [":status", "200", "x-a", dice.text(50)] };
    messages.set(id, { request, response });
    const seen: Got = { fields: [], chunks: [], trailers: undefined, ended: false };
    got.set(id, seen);
    const plain = request.fields.filter((_, at) => request.fields[at - (at % 2)] !== "content-length");
    const stream = client.connection.request([...plain, "x-id", id], {
      onHeaders: (fields) => {
        seen.fields = fields;
      },
      onData: (chunk) => seen.chunks.push(chunk.slice()),
      onTrailers: (fields) => {
        seen.trailers = fields;
      },
      onEnd: () => {
        seen.ended = true;
      },
      onDrain() {},
      onClose() {},
    });
    stream.write(request.body, true);
    if (dice.chance(0.5)) carry(client, server);
  }
  let moved = true;
  while (moved) {
    moved = carry(client, server);
    moved = carry(server, client) || moved;
  }
  for (const [id, { response }] of messages) {
    const { fields, chunks, trailers, ended } = got.get(id)!;
    assert.ok(ended, "a response has no end");
    assert.deepEqual(fields, response.fields);
    assert.deepEqual(joined(chunks), response.body);
    assert.deepEqual(trailers, response.trailers);
  }
  checkEnd(server);
}
