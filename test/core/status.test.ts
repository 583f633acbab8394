import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  httpStatusFromMeshError,
  httpStatusFromRpc,
  type RpcCode,
  rpcCodeFromHttp,
  rpcCodeFromMeshError,
  rpcCodeFromNumber,
} from "../../src/core/status.ts";

/** Number, name and HTTP status, as the Connect protocol and grpc/status.proto list them. */
const table: readonly (readonly [number, RpcCode, number])[] = [
  [1, "canceled", 499],
  [2, "unknown", 500],
  [3, "invalid_argument", 400],
  [4, "deadline_exceeded", 504],
  [5, "not_found", 404],
  [6, "already_exists", 409],
  [7, "permission_denied", 403],
  [8, "resource_exhausted", 429],
  [9, "failed_precondition", 400],
  [10, "aborted", 409],
  [11, "out_of_range", 400],
  [12, "unimplemented", 501],
  [13, "internal", 500],
  [14, "unavailable", 503],
  [15, "data_loss", 500],
  [16, "unauthenticated", 401],
];

describe("status table", () => {
  it("maps all sixteen RPC codes to Connect's HTTP statuses", () => {
    for (const [number, code, status] of table) {
      assert.equal(rpcCodeFromNumber(number), code);
      assert.equal(httpStatusFromRpc(code), status, code);
    }
  });

  it("has no name for ok and for numbers nobody defined", () => {
    for (const number of [0, 17, -1, 1.5, Number.NaN]) assert.equal(rpcCodeFromNumber(number), undefined);
  });

  it("maps HTTP statuses to codes, also those it does not list", () => {
    assert.equal(rpcCodeFromHttp(404), "not_found");
    assert.equal(rpcCodeFromHttp(429), "resource_exhausted");
    assert.equal(rpcCodeFromHttp(503), "unavailable");
    assert.equal(rpcCodeFromHttp(507), "internal");
    assert.equal(rpcCodeFromHttp(418), "failed_precondition");
    assert.equal(rpcCodeFromHttp(302), "unknown");
  });

  it("gives mesh errors the code, and REST the more exact status where there is one", () => {
    assert.equal(rpcCodeFromMeshError("ERR_RATE_LIMITED"), "resource_exhausted");
    assert.equal(httpStatusFromMeshError("ERR_RATE_LIMITED"), 429);
    assert.equal(rpcCodeFromMeshError("ERR_DEADLINE_EXCEEDED"), "deadline_exceeded");
    assert.equal(httpStatusFromMeshError("ERR_DEADLINE_EXCEEDED"), 504);
    assert.equal(httpStatusFromMeshError("ERR_BODY_TOO_LARGE"), 413);
    assert.equal(httpStatusFromMeshError("ERR_METHOD_NOT_ALLOWED"), 405);
    assert.equal(httpStatusFromMeshError("ERR_BREAKER_OPEN"), 503);
  });
});
