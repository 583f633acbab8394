import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Protocol } from "../../../src/core/call.ts";
import {
  fitsMilliseconds,
  formatTimeout,
  parseGrpcTimeout,
  readTimeout,
} from "../../../src/rpc/dialect/call-headers.ts";

function read(protocol: Protocol, value: string): number | undefined {
  const name = protocol === "connect" ? "connect-timeout-ms" : "grpc-timeout";
  return readTimeout(protocol, new Headers({ [name]: value }));
}

describe("readTimeout()", () => {
  it("reads gRPC's units", () => {
    const values = ["2H", "3M", "4S", "5m", "6000u", "7000000n", "0n", "99999999H"];
    assert.deepEqual(
      values.map((value) => Math.round(read("grpc", value) ?? Number.NaN)),
      [7_200_000, 180_000, 4_000, 5, 6, 7, 0, 99_999_999 * 3_600_000],
    );
    assert.equal(read("grpc", "00000001S"), 1000);
    assert.equal(read("grpc", "1u"), 0.001);
    assert.equal(read("grpc", "1n"), 0.000_001);
  });

  it("reads Connect's milliseconds", () => {
    assert.equal(read("connect", "9999999999"), 9_999_999_999);
    assert.equal(read("connect", "0"), 0);
  });

  it("tells malformed from absent", () => {
    for (const value of ["", "5", "m", "123456789m", "-1m", "+1m", "1.5S", "1e3m", "5 m", "5s", "5h", "55"]) {
      assert.ok(Number.isNaN(read("grpc", value)), value);
    }
    for (const value of [" 5m", "5m ", "5mm", "\u0665m"]) {
      assert.ok(Number.isNaN(parseGrpcTimeout(value)), value);
    }
    for (const value of ["", "12345678901", "-1", "1e3", "5m"])
      assert.ok(Number.isNaN(read("connect", value)), value);
    assert.equal(readTimeout("grpc", new Headers()), undefined);
    assert.equal(readTimeout("grpc-web", new Headers({ "connect-timeout-ms": "5" })), undefined);
  });
});

describe("formatTimeout()", () => {
  it("writes whole milliseconds, at least one, rounded up", () => {
    assert.deepEqual(
      [0.2, 1, 1.5, 2000].map((ms) => formatTimeout("grpc", ms)),
      ["1m", "1m", "2m", "2000m"],
    );
    assert.deepEqual(
      [0, 1.5, 2000].map((ms) => formatTimeout("connect", ms)),
      ["1", "2", "2000"],
    );
  });

  it("makes no more of time that has run out than the protocol forces it to", () => {
    assert.deepEqual(
      [0, -0.5, -5, -Infinity].map((ms) => formatTimeout("grpc", ms)),
      ["1n", "1n", "1n", "1n"],
    );
    assert.equal(formatTimeout("connect", -5), "1");
  });

  it("widens the unit before gRPC's eight digits run out", () => {
    assert.equal(formatTimeout("grpc", 99_999_999), "99999999m");
    assert.equal(formatTimeout("grpc", 100_000_000), "100000S");
    assert.equal(formatTimeout("grpc-web", 100_000_001), "100001S");
    assert.equal(formatTimeout("grpc", 99_999_999_000), "99999999S");
    assert.equal(formatTimeout("grpc", 99_999_999_001), "1666667M");
    assert.equal(formatTimeout("grpc", 99_999_999 * 60_000), "99999999M");
    assert.equal(formatTimeout("grpc", 99_999_999 * 60_000 + 1), "1666667H");
    assert.equal(formatTimeout("grpc", 99_999_999 * 3_600_000), "99999999H");
  });

  it("leaves out what no digits can say", () => {
    assert.equal(formatTimeout("grpc", 99_999_999 * 3_600_000 + 1), undefined);
    assert.equal(formatTimeout("grpc", Infinity), undefined);
    assert.equal(formatTimeout("connect", 1e10), undefined);
    assert.deepEqual(
      [fitsMilliseconds("connect", 1e10), fitsMilliseconds("connect", 1e10 - 1)],
      [false, true],
    );
    assert.deepEqual([fitsMilliseconds("grpc", 1e8), fitsMilliseconds("grpc", 1e8 - 1)], [false, true]);
  });

  it("is read back as no less than what was meant", () => {
    for (const ms of [1, 17.3, 999, 123_456, 99_999_999, 100_000_000, 5e10, 5e12, 5e13]) {
      assert.ok((read("grpc", formatTimeout("grpc", ms) as string) ?? 0) >= ms, String(ms));
    }
  });
});
