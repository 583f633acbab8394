import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectFault } from "../../../src/net/platform/socket-fault.ts";

const refused = (address: string): Error =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}:7101`), {
    code: "ECONNREFUSED",
    syscall: "connect",
  });

describe("an endpoint that cannot be reached", () => {
  it("is named with the cause at each of its addresses", () => {
    const both = Object.assign(new AggregateError([refused("::1"), refused("127.0.0.1")], ""), {
      code: "ECONNREFUSED",
    });
    const error = connectFault({ origin: "http://lake:7101", tls: undefined, server: undefined }, both);
    assert.equal(error.fault, "refused");
    assert.equal(
      error.message,
      "Cannot connect to http://lake:7101: connect ECONNREFUSED ::1:7101, connect ECONNREFUSED 127.0.0.1:7101",
    );
  });
});
