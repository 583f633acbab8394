import assert from "node:assert/strict";
import type { Http1Exchange } from "../../src/http/http1/http1-exchange.ts";
import { bytesOf, TestConnection } from "../http/http1/connection-fixture.ts";
import { Dice } from "../support/dice.ts";
import { cut, joined, mutated } from "../support/mutate.ts";
import { requestOf, requestsOf, seenOf, wrongRequest } from "./http1-requests.ts";

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Lets what waits for promises go on. */
async function turn(): Promise<void> {
  for (let count = 0; count < 20; count++) await undefined;
}

/** Responds in one of the ways there are, with the target as the body. */
async function respondTo(exchange: Http1Exchange, dice: Dice): Promise<void> {
  const { target, minor } = exchange.head;
  // An end of unknown length ends an HTTP/1.0 connection.
  const way = dice.below(minor === 0 ? 2 : 4);
  if (way === 0) {
    exchange.respond(200, ["content-length", String(target.length)], target);
    return;
  }
  exchange.begin(200, way === 1 ? ["content-length", String(target.length)] : []);
  for (const piece of cut(dice, bytesOf(target))) {
    exchange.write(piece);
    if (way === 2) await undefined;
  }
  exchange.end();
}

/** Feeds a connection as a socket would: nothing while it is paused. */
async function feed(peer: TestConnection, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    for (let turns = 0; peer.transport.paused; turns++) {
      assert.ok(turns < 100, "the connection stays paused");
      await turn();
    }
    peer.connection.receive(piece);
    if (piece.length % 3 === 0) await turn();
  }
  await turn();
}

/** Requests that are right are taken as they were meant, however they are written and cut. */
export async function rightRequests(seed: number): Promise<void> {
  const dice = new Dice(seed);
  const seen: Seen[] = [];
  const peer = new TestConnection((exchange) => {
    const { method, target } = exchange.head;
    const read = exchange.body?.collect() ?? Promise.resolve(new Uint8Array(0));
    read.then((body) => {
      seen.push({ method, target, body: hex(body) });
      return respondTo(exchange, dice);
    });
  });
  const requests = requestsOf(dice, (index) => `/${index}`);
  const expected = seenOf(requests);
  await feed(peer, cut(dice, joined(requests.flatMap(({ pieces }) => pieces))));
  for (let turns = 0; turns < 1_000 && seen.length < expected.length; turns++) await turn();
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.deepEqual(
    seen,
    expected.map(({ method, target, body }) => ({ method, target, body: hex(body) })),
    peer.errors.join(),
  );
  const responses = peer.take().match(/HTTP\/1\.1 200 OK\r\n/g) ?? [];
  assert.equal(responses.length, seen.length, "responses");
  assert.equal(peer.open, expected.at(-1)?.last === false, "whether the connection is open");
}

/** Requests end where one is wrong, and nothing behind that becomes a request. */
export async function wrongRequests(seed: number): Promise<void> {
  const dice = new Dice(seed);
  const targets: string[] = [];
  const peer = new TestConnection((exchange) => {
    targets.push(exchange.head.target);
    if (exchange.body === undefined || dice.chance(0.3)) void respondTo(exchange, dice);
    else {
      exchange.body.collect().then(
        () => respondTo(exchange, dice),
        () => {},
      );
    }
  });
  const before = Array.from({ length: dice.below(4) }, () => requestOf(dice, "/right", false, 500));
  const { bytes, begins } = wrongRequest(dice);
  await feed(peer, cut(dice, joined([...before.flatMap(({ pieces }) => pieces), bytes])));
  for (let turns = 0; turns < 20; turns++) await turn();
  peer.connection.lost(undefined);
  assert.ok(!targets.includes("/smuggled"), "a request was smuggled");
  assert.ok(targets.length <= before.length + (begins ? 1 : 0), `too many requests: ${targets}`);
  assert.equal(peer.open, false, "the connection is open");
}

/** What handlers do that nobody should. */
const nasty: readonly ((exchange: Http1Exchange, dice: Dice) => unknown)[] = [
  respondTo,
  (exchange) => exchange.body?.collect().catch(() => {}),
  (exchange) => exchange.abort(),
  (exchange, dice) => exchange.begin(200, ["content-length", String(dice.below(5))]),
  (exchange) => exchange.body?.discard(),
  (exchange) => exchange.respond(204, [], "body"),
  (exchange) => {
    exchange.begin(200, []);
    exchange.flush();
  },
  async (exchange) => {
    await exchange.body?.read().catch(() => {});
    exchange.end();
    exchange.respond(500, [], "late");
    exchange.end();
  },
  (exchange) => {
    throw new Error(exchange.head.target);
  },
];

/** An HTTP/1.1 connection survives whatever is sent, and ends every request that it began. */
export async function anyBytes(seed: number): Promise<void> {
  const dice = new Dice(seed);
  let begun = 0;
  const peer = new TestConnection((exchange) => {
    begun++;
    const result = dice.pick(nasty)(exchange, dice);
    if (result instanceof Promise) result.catch(() => {});
  });
  const make = (): Uint8Array[] => requestsOf(dice, () => "/a").flatMap(({ pieces }) => [...pieces]);
  const pieces = dice.chance(0.05)
    ? [dice.bytes(dice.size(3_000))]
    : mutated(dice, make(), () => (dice.chance(0.5) ? make() : [wrongRequest(dice).bytes]));
  for (const piece of dice.chance(0.5) ? pieces : cut(dice, joined(pieces))) {
    peer.transport.full = dice.chance(0.05);
    peer.connection.receive(piece);
    if (dice.chance(0.2)) await turn();
    if (dice.chance(0.05)) peer.pass(dice.below(100_000));
    if (dice.chance(0.05)) peer.connection.drained();
  }
  await turn();
  if (dice.chance(0.5)) peer.connection.peerEnded();
  await turn();
  peer.connection.lost(undefined);
  await turn();
  assert.equal(peer.outcomes.length, begun, "requests that ended");
}
