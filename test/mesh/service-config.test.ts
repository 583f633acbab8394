import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createMesh } from "../../src/mesh/mesh.ts";
import { policiesFromServiceConfig } from "../../src/mesh/service-config.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";

const service = "datapunk.mesh.test.v1.EchoService";
const retryPolicy = {
  maxAttempts: 4,
  initialBackoff: "0.1s",
  maxBackoff: "1.5s",
  backoffMultiplier: 3,
  retryableStatusCodes: ["UNAVAILABLE", 10, "resource_exhausted", "CANCELLED"],
};

const connectionFaults = [
  "refused",
  "dns",
  "unreachable",
  "tls",
  "no-http2",
  "never-started",
  "reset",
  "closed",
  "unknown",
];

describe("policiesFromServiceConfig()", () => {
  it("reads timeouts, retries, waitForReady and throttling, for all methods, services and methods", () => {
    const config = {
      loadBalancingConfig: [{ grpclb: {} }, { round_robin: {} }],
      methodConfig: [
        { name: [{}], timeout: "30.5s" },
        { name: [{ service }], waitForReady: true },
        {
          name: [
            { service, method: "Get" },
            { service: "other.S", method: "Get" },
          ],
          timeout: { seconds: "1", nanos: 5e8 },
        },
        { name: [{ service, method: "Put" }], retryPolicy },
      ],
      retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
    };
    const policy = policiesFromServiceConfig(JSON.stringify(config));
    assert.deepEqual(policy, policiesFromServiceConfig(config));
    assert.deepEqual(policy, {
      timeoutMs: 30_500,
      retry: { budget: { ratio: 0.1, minPerSecond: 0.5, windowMs: 10_000 } },
      methods: {
        [`${service}/*`]: { timeoutMs: 30_000, waitForReady: true },
        [`${service}/Get`]: { timeoutMs: 1_500 },
        "other.S/Get": { timeoutMs: 1_500 },
        [`${service}/Put`]: {
          timeoutMs: 30_000,
          idempotent: true,
          retry: {
            maxAttempts: 4,
            backoff: { baseMs: 100, maxMs: 1_500, factor: 3 },
            on: {
              code: ["unavailable", "aborted", "resource_exhausted", "canceled"],
              fault: connectionFaults,
            },
          },
        },
      },
    });
    createMesh({ service: "gateway", policies: { lake: policy } });
  });

  it("repeats on the codes that are listed, although the proto promises nothing, and on no others", async () => {
    const policy = policiesFromServiceConfig({
      methodConfig: [{ name: [{ service, method: "Echo" }], retryPolicy }],
    });
    const failing = (code: Code): (() => Promise<Response>) => {
      const body = JSON.stringify({ code: Code[code].replace(/(?<=.)([A-Z])/g, "_$1").toLowerCase() });
      return async () => new Response(body, { status: 500, headers: { "content-type": "application/json" } });
    };
    for (const [code, attempts] of [
      [Code.Aborted, 4],
      [Code.DeadlineExceeded, 1],
    ] as const) {
      const { mesh, clock, requests } = lakeOf(failing(code), { policies: { lake: policy } });
      const error = await clock.run(errorOf(createClient(EchoService, mesh.transport("lake")).echo({})));
      assert.equal(ConnectError.from(error).code, code);
      assert.equal(requests.length, attempts);
    }
  });

  it("gives a method with an entry of its own nothing of the entry of all, above all no retries", () => {
    const policy = policiesFromServiceConfig({
      methodConfig: [
        { name: [{}], retryPolicy, waitForReady: true },
        { name: [{ service, method: "Charge" }], timeout: "1s" },
      ],
    });
    assert.deepEqual(policy.methods, {
      [`${service}/Charge`]: {
        timeoutMs: 1_000,
        waitForReady: false,
        idempotent: false,
        retry: { maxAttempts: 3, backoff: {}, on: { kind: ["retryable", "rejected"] } },
      },
    });
    assert.equal(policy.idempotent, true);
  });

  it("takes no more than five attempts, as gRPC does, and passes over what is null", () => {
    const policy = policiesFromServiceConfig({
      retryThrottling: null,
      methodConfig: [{ name: [{}], timeout: null, retryPolicy: { ...retryPolicy, maxAttempts: 9 } }],
    });
    assert.equal(policy.retry !== false && policy.retry?.maxAttempts, 5);
    assert.deepEqual(policiesFromServiceConfig({}), {});
  });

  const method = (part: object): object => ({ methodConfig: [{ name: [{}], ...part }] });
  const refused: readonly (readonly [config: unknown, message: string])[] = [
    [5, "the config is no object; pass one as gRPC's service config has it"],
    [[{ serviceConfig: {} }], "the config is no object; pass one as gRPC's service config has it"],
    [
      { serviceConfig: {} },
      `the config's "serviceConfig" belongs to a list of configs for several clients; pass the serviceConfig of this one`,
    ],
    [
      { healthCheckConfig: { serviceName: "" } },
      `the config's "healthCheckConfig" is not supported; endpoints are judged by their calls: leave it out`,
    ],
    [
      { methodConfigs: [] },
      `the config's "methodConfigs" is no part of it that this function knows; it knows methodConfig, retryThrottling, loadBalancingConfig, loadBalancingPolicy`,
    ],
    [
      { loadBalancingConfig: [{ pick_first: {} }] },
      "loadBalancingConfig is pick_first, which is not supported; calls are spread over all endpoints: write round_robin, or leave it out",
    ],
    [
      method({ hedgingPolicy: {} }),
      'methodConfig[0] "hedgingPolicy" is not supported; leave it out, or use retryPolicy',
    ],
    [{ methodConfig: [{}] }, "methodConfig[0] name is no list; pass one as gRPC's service config has it"],
    [
      { methodConfig: [{ name: [{ method: "Get" }] }] },
      'methodConfig[0] name is {"method":"Get"}; pass { service, method }, { service } or {}',
    ],
    [
      { methodConfig: [{ name: [{ service }] }, { name: [{ service }] }] },
      `methodConfig[1] name is {"service":"${service}"} for the second time`,
    ],
    [method({ timeout: "5" }), 'methodConfig[0] timeout is "5"; pass a duration such as "1.5s"'],
    [
      method({ retryPolicy: { ...retryPolicy, maxAttempts: 1 } }),
      "methodConfig[0] retryPolicy maxAttempts is 1; pass a number of at least 2",
    ],
    [
      method({ retryPolicy: { ...retryPolicy, retryableStatusCodes: ["OK"] } }),
      'methodConfig[0] retryPolicy retryableStatusCodes names "OK"; pass gRPC\'s codes, such as "UNAVAILABLE"',
    ],
    [method({ waitForReady: "yes" }), 'waitForReady is "yes"; pass true or false'],
    [
      { retryThrottling: { maxTokens: 10 } },
      "retryThrottling tokenRatio is undefined; pass a number of at least 0",
    ],
  ];
  for (const [config, message] of refused) {
    it(`refuses ${JSON.stringify(config)}`, () => {
      assert.throws(
        () => policiesFromServiceConfig(config as never),
        (error: Error) => {
          assert.equal(error.message.replace(/^Cannot make policiesFromServiceConfig\(\): /, ""), message);
          return error instanceof TypeError;
        },
      );
    });
  }

  it("says what is wrong with text that is no JSON, and with a time that is none", () => {
    assert.throws(() => policiesFromServiceConfig("{"), /the config is no JSON/);
    assert.throws(() => policiesFromServiceConfig(method({ timeout: "0s" })), RangeError);
  });
});
