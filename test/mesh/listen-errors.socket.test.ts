import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { ServeOptions } from "../../src/mesh/options.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { unless } from "../support/capability.ts";

const mesh = createMesh({ service: "shop" });

/** What `serve` says when it cannot open a port. */
async function refusal(options: Partial<ServeOptions>): Promise<string> {
  try {
    const server = await mesh.serve({ routes: () => {}, hostname: "127.0.0.1", ...options });
    await server.close({ force: true });
    return "served";
  } catch (error) {
    assert.ok(isMeshError(error, "ERR_LISTEN"), String(error));
    return error.message;
  }
}

describe("serve() on a port that cannot be opened", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it("names the port that is in use, whichever of the server's it is, and leaves the others closed", async () => {
    const taken = await mesh.serve({ routes: () => {}, hostname: "127.0.0.1", port: 0 });
    cleanup.add(() => taken.close({ force: true }));
    const { port } = taken;
    const message = new RegExp(
      `^Cannot serve on port ${port} of 127\\.0\\.0\\.1: it is in use \\(EADDRINUSE\\); `,
    );
    assert.match(await refusal({ port }), message);
    assert.match(await refusal({ port: 0, admin: { port } }), message);
    const free = await mesh.serve({ routes: () => {}, hostname: "127.0.0.1", port: 0 });
    await free.close({ force: true });
    assert.match(await refusal({ ports: { rest: free.port, grpc: port } }), message);
    const again = await mesh.serve({ routes: () => {}, hostname: "127.0.0.1", port: free.port });
    cleanup.add(() => again.close({ force: true }));
  });

  it("names an address that this machine has not", async () => {
    assert.match(
      await refusal({ port: 0, hostname: "203.0.113.7" }),
      /^Cannot serve on port 0 of 203\.0\.113\.7: this machine has no address 203\.0\.113\.7/,
    );
  });
});
