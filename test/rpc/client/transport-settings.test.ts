import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../../src/core/errors.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { TransportOptions } from "../../../src/mesh/options.ts";
import { checkTransportEncoding } from "../../../src/rpc/client/transport-settings.ts";
import { createWebRuntime } from "../../../src/runtime/web/mod.ts";

const sockets = { name: "here", fetchOnly: false };
const fetchOnly = { name: "web", fetchOnly: true };

describe("options of an RPC transport", () => {
  const wrong: readonly (readonly [what: string, options: object, message: RegExp])[] = [
    ["a version nobody speaks", { httpVersion: "3" }, /httpVersion is "3"; pass "1\.1" or "2"/],
    ["an unknown encoding", { sendCompression: "zip" }, /sendCompression is "zip"; pass "gzip" or "br"/],
    ["a name for a list", { acceptCompression: "gzip" }, /acceptCompression is "gzip"; pass a list/],
    [
      "an unknown encoding in a list",
      { acceptCompression: ["gzip", "zip"] },
      /\["gzip","zip"\]; pass a list/,
    ],
    ["a bound that is no number", { compressMinBytes: "1k" }, /compressMinBytes is "1k"; pass a number/],
    ["a bound below zero", { compressMinBytes: -1 }, /compressMinBytes is -1; pass a number of at least 0/],
    ["a limit of nothing", { maxMessageBytes: 0 }, /maxMessageBytes is 0; pass a number from 1 to/],
    ["a limit beyond what there is", { maxSendBytes: 2 ** 32 }, /maxSendBytes is 4294967296; pass/],
    ["a keepalive without an interval", { keepalive: {} }, /keepalive\.intervalMs is undefined; pass/],
    ["a keepalive all the time", { keepalive: { intervalMs: 0 } }, /intervalMs is 0; pass a number above 0/],
    ["a keepalive that waits for nothing", { keepalive: { intervalMs: 1, timeoutMs: 0 } }, /timeoutMs is 0/],
    [
      "a ping that is waited for not at all",
      { pingTimeoutMs: 0 },
      /pingTimeoutMs is 0; pass a number above 0/,
    ],
    ["a ping in no time", { verifyAfterIdleMs: -1 }, /verifyAfterIdleMs is -1; pass a number above 0/],
    [
      "a ping's timeout over HTTP/1.1",
      { httpVersion: "1.1", pingTimeoutMs: 1 },
      /pingTimeoutMs is given with httpVersion "1\.1", which knows no pings/,
    ],
    [
      "pings over HTTP/1.1",
      { httpVersion: "1.1", keepalive: { intervalMs: 1 } },
      /knows no pings; leave one/,
    ],
    ["a registry for options", { jsonOptions: [] }, /jsonOptions: its options are an array; pass an object/],
  ];
  for (const [what, options, message] of wrong) {
    it(`refuses ${what}`, () => {
      const mesh = createMesh({ service: "page" });
      assert.throws(() => checkTransportEncoding(options, "connect", sockets), message);
      assert.throws(() => mesh.transport("echo", { ...options, protocol: "connect" }), message);
    });
  }

  it("takes what is right", () => {
    const right: readonly TransportOptions[] = [
      {},
      { httpVersion: "1.1", sendCompression: "br", acceptCompression: [], compressMinBytes: 0 },
      { httpVersion: "2", keepalive: { intervalMs: 1, timeoutMs: 1, whenIdle: true }, maxSendBytes: 1 },
      { jsonOptions: { ignoreUnknownFields: false }, binaryOptions: {}, compressMinBytes: Infinity },
    ];
    for (const options of right) checkTransportEncoding(options, "connect", sockets);
    checkTransportEncoding({ sendCompression: "gzip", acceptCompression: ["gzip"] }, "connect", fetchOnly);
  });

  it("refuses gRPC over HTTP/1.1, and names the alternatives", () => {
    assert.throws(
      () => checkTransportEncoding({ httpVersion: "1.1" }, "grpc", sockets),
      (error) =>
        isMeshError(error, "ERR_CAPABILITY") && /needs HTTP\/2; use protocol "connect"/.test(error.message),
    );
  });

  const impossible: readonly (readonly [options: TransportOptions, what: RegExp])[] = [
    [{ httpVersion: "2" }, /Cannot use httpVersion "2" on web: /],
    [{ keepalive: { intervalMs: 1_000 } }, /Cannot use keepalive on web: /],
    [{ sendCompression: "br" }, /Cannot use compression "br" on web: /],
    [{ acceptCompression: ["gzip", "br"] }, /Cannot use compression "br" on web: /],
  ];
  for (const [options, what] of impossible) {
    it(`refuses ${Object.keys(options)[0]} where there is only fetch, if it asks for ${JSON.stringify(Object.values(options)[0])}`, () => {
      const runtime = createWebRuntime();
      const mesh = createMesh({ service: "page", runtime });
      for (const open of [
        () => mesh.transport("echo", options),
        () =>
          runtime.openRpcTransport({
            origin: "https://echo.test",
            protocol: "connect",
            tls: undefined,
            maxConnectionsPerEndpoint: 1,
            useBinaryFormat: true,
            maxMessageBytes: 1_000,
            ...options,
          }),
      ]) {
        assert.throws(open, (error) => isMeshError(error, "ERR_CAPABILITY") && what.test(error.message));
      }
    });
  }
});
