import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../../src/core/errors.ts";
import { listenError } from "../../../src/net/listen/listen-error.ts";

const local = { hostname: "127.0.0.1", port: 80 };

describe("The error of a port that cannot be opened", () => {
  for (const [address, code, message] of [
    [
      { hostname: "0.0.0.0", port: 8080 },
      "EADDRINUSE",
      "Cannot serve on port 8080 of 0.0.0.0: it is in use (EADDRINUSE); end what listens there, or pass another port; 0 takes a free one",
    ],
    [
      local,
      "EACCES",
      "Cannot serve on port 80 of 127.0.0.1: this process may not open ports below 1024 (EACCES); pass a higher one, or grant it the right, on Linux CAP_NET_BIND_SERVICE",
    ],
    [
      { hostname: "127.0.0.1", port: 8080 },
      "EACCES",
      "Cannot serve on port 8080 of 127.0.0.1: this process may not open it (EACCES); pass another port, or grant it the right",
    ],
    [
      { hostname: "203.0.113.7", port: 8080 },
      "EADDRNOTAVAIL",
      'Cannot serve on port 8080 of 203.0.113.7: this machine has no address 203.0.113.7 (EADDRNOTAVAIL); pass one that it has, or "0.0.0.0" for all',
    ],
    [
      { hostname: "no.such.invalid", port: 8080 },
      "ENOTFOUND",
      'Cannot serve on port 8080 of no.such.invalid: the name cannot be resolved (ENOTFOUND); pass an address of this machine as hostname, or "0.0.0.0" for all',
    ],
    [
      { hostname: "", port: 8080 },
      "EMFILE",
      "Cannot serve on port 8080 of all addresses: too many files and sockets are open (EMFILE); raise the limit (ulimit -n), or close some",
    ],
    [
      local,
      undefined,
      "Cannot serve on port 80 of 127.0.0.1: bad luck; check hostname and port, and that this process may listen there",
    ],
  ] as const) {
    it(`says what happened and what to do: ${code ?? "no code"}, port ${address.port} of ${address.hostname}`, () => {
      const cause = Object.assign(new Error("bad luck"), { code });
      const error = listenError(address, cause);
      assert.equal(error.message, message);
      assert.ok(isMeshError(error, "ERR_LISTEN"));
      assert.equal(error.cause, cause);
    });
  }
});
