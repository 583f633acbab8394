import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type RpcTransportSettings, RpcTransports } from "../../src/mesh/rpc-transports.ts";

const settings: RpcTransportSettings = {
  maxConnectionsPerEndpoint: 1,
  useBinaryFormat: true,
  maxMessageBytes: 1_000,
};
const [a, b] = ["https://10.0.0.7:7101", "https://10.0.0.7:71010"];
const lake = { serverName: "lake.test" };

/** The transports of a mesh that says what it opened and closed. */
function noting() {
  const noted: string[] = [];
  const transports = new RpcTransports(({ origin, server }) => {
    const name = `${origin} ${server?.serverName ?? "-"}`;
    noted.push(`opened ${name}`);
    return {
      transport: { unary: () => assert.fail(), stream: () => assert.fail() },
      state: () => ({ sessions: 1, streams: 0, waiting: 0 }),
      close: async () => void noted.push(`closed ${name}`),
    };
  });
  return { transports, noted };
}

describe("the RPC transports of a mesh", () => {
  it("are kept apart by who the server must be, and shared by what says the same", () => {
    const { transports, noted } = noting();
    const open = transports.opener(settings);
    const plain = open("grpc", a);
    assert.equal(open("grpc", a), plain);
    const named = open("grpc", a, lake);
    assert.notEqual(named, plain);
    assert.equal(open("grpc", a, { ...lake }), named);
    assert.notEqual(open("grpc", a, { ...lake, spiffeId: "spiffe://x.test/lake" }), named);
    assert.equal(noted.length, 3);
    assert.deepEqual(
      [...transports.states()].map(({ endpoint }) => endpoint),
      [a, a, a],
    );
  });

  it("are all released with their origin, and no others", async () => {
    const { transports, noted } = noting();
    const open = transports.opener(settings);
    open("grpc", a);
    open("connect", a, lake);
    open("grpc", b, lake);
    noted.length = 0;
    assert.equal(transports.release(a), true);
    assert.deepEqual(noted.sort(), [`closed ${a} -`, `closed ${a} lake.test`]);
    await transports.close();
    assert.deepEqual(noted.at(-1), `closed ${b} lake.test`);
  });
});
