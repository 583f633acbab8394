import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtime } from "#runtime";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { ServeOptions } from "../../src/mesh/options.ts";

const bad: readonly unknown[] = [Number.NaN, -1, "10", null, {}, [], true];

/** What `serve` says to options, and whether it opened a port before it said so. */
async function refusal(options: object): Promise<string> {
  let opened = false;
  const mesh = createMesh({
    service: "a",
    runtime: {
      ...runtime,
      listen: async (how) => {
        opened = true;
        return await runtime.listen(how);
      },
    },
  });
  const routes = (): void => {};
  try {
    const server = await mesh.serve({ hostname: "127.0.0.1", port: 0, routes, ...options } as ServeOptions);
    await server.close({ force: true });
    return `served with ${JSON.stringify(options)}`;
  } catch (error) {
    assert.equal(opened, false, `a port was opened with ${JSON.stringify(options)}`);
    return (error as Error).message;
  }
}

describe("Options of serve()", () => {
  it("refuses a number that is none, before a port is open", async () => {
    for (const value of bad) {
      for (const [options, name] of [
        [{ maxMessageBytes: value }, "maxMessageBytes"],
        [{ drain: { timeoutMs: value } }, "drain.timeoutMs"],
        [{ drain: { delayMs: value } }, "drain.delayMs"],
        [{ admin: { port: value } }, "admin.port"],
      ] as const)
        assert.match(await refusal(options), new RegExp(`${name} is `));
    }
  });

  it("refuses a hostname that is no string, before a port is open", async () => {
    for (const value of [0, null, {}, true]) {
      assert.match(await refusal({ hostname: value }), /: hostname is no string/);
      assert.match(await refusal({ admin: { port: 0, hostname: value } }), /: admin\.hostname is no string/);
    }
  });

  it("refuses an option that does not exist, before a port is open, and names the nearest", async () => {
    for (const [options, message] of [
      [{ drainMs: 5 }, /serve\(\): it has no option "drainMs"; did you mean "drain"\?/],
      [
        { port: undefined, ports: { rest: 0, grpc: 0, metrics: 0 } },
        /serve\(\)'s ports: it has no option "metrics"; its options are rest, grpc/,
      ],
      [{ drain: { delay: 5 } }, /serve\(\)'s drain: it has no option "delay"; did you mean "delayMs"\?/],
      [
        { connections: { keepalive: { interval: 5 } } },
        /serve\(\)'s connections\.keepalive: it has no option "interval"; did you mean "intervalMs"\?/,
      ],
      [
        { connections: { proxyProtocol: ["proxy.internal"] } },
        /serve\(\): connections\.proxyProtocol has "proxy\.internal"; pass addresses such as/,
      ],
      [
        { connections: { idleTimeoutMs: 75 } },
        /serve\(\): connections\.idleTimeoutMs is 75; pass a number from 1000 to/,
      ],
      [
        { connections: { keepalive: { timeoutMs: 5 } } },
        /serve\(\): connections\.keepalive\.intervalMs is undefined; pass a number above 0/,
      ],
      [{ admin: { prot: 0 } }, /serve\(\)'s admin: it has no option "prot"; did you mean "port"\?/],
      [{ admin: { port: 0, tls: "yes" } }, /serve\(\): admin\.tls is "yes"; pass true or false/],
    ] as const)
      assert.match(await refusal(options), message);
  });

  for (const name of ["connections", "health", "drain", "admin"]) {
    it(`refuses ${name} that are no object, before a port is open`, async () => {
      for (const value of [Number.NaN, 10, "10", null, [], true]) {
        assert.match(await refusal({ [name]: value }), new RegExp(`${name}: its options are `));
      }
    });
  }

  it("refuses TLS with nothing to show, or that is none, before a port is open", async () => {
    const told: readonly (readonly [options: object, message: RegExp])[] = [
      [{ tls: "yes" }, /^Cannot make serve\(\): tls is "yes"; pass true or false/],
      [{ tls: null }, /^Cannot make serve\(\): tls is null; pass true or false/],
      [{ tls: true }, /^Cannot serve: tls is true and the mesh has no identity; pass tls/],
      [{ tls: { ca: "default" } }, /^Cannot serve: tls has no certificate to show; pass cert and key to/],
      [{ tls: {} }, /^Cannot serve: tls has no certificate to show/],
      [
        { tls: { clientAuth: "require" } },
        /^Cannot make serve\(\)'s tls: it has no option "clientAuth"; its/,
      ],
      [{ tls: { crt: "" } }, /^Cannot make serve\(\)'s tls: it has no option "crt"; did you mean "cert"\?/],
    ];
    for (const [options, message] of told) assert.match(await refusal(options), message);
    const mesh = createMesh({ service: "a", tls: { ca: "default" } });
    const served = mesh.serve({ hostname: "127.0.0.1", port: 0, app: mesh.app() });
    await assert.rejects(served, /tls has no certificate to show; .* or tls: false to serve in the clear/);
    await mesh.close();
  });

  it("refuses a cache of tokens that is no object", () => {
    for (const cache of [10, "10", null, [], true]) {
      const auth = { validate: () => ({ id: "a" }), cache } as never;
      assert.throws(() => createMesh({ service: "a", server: { auth } }), /auth\.cache: its options are /);
    }
  });
});
