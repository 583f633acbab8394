import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientKey } from "../../src/serve/client-key.ts";

describe("clientKey()", () => {
  for (const [address, key] of [
    ["10.0.0.1", "10.0.0.1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::9", "2001:db8:1:2::/64"],
    ["2001:db8::9", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["", "unknown"],
  ] as const) {
    it(`takes "${address}" as ${key}`, () => {
      assert.equal(clientKey(address), key);
    });
  }
});
