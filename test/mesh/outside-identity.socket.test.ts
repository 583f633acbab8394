import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { type ConnectRouter, createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { meshCall } from "../../src/rpc/context.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { unless } from "../support/capability.ts";
import { createAuthority } from "../support/certificates.ts";

/** Bun's fetch cannot be told of another authority while the process runs. */
const ownRoots = runtime.name === "bun";

describe("a client for a URL", () => {
  it(
    "shows no certificate of the mesh to a server that asks for one",
    unless("mtlsServer", "mtlsClient"),
    async () => {
      const authority = await createAuthority("Everybody's CA");
      const before = getCACertificates("default");
      // As if the server had a certificate of a public authority.
      setDefaultCACertificates([...before, authority.ca]);
      try {
        await using served = createMesh({
          service: "echo",
          tls: await authority.issue({ commonName: "echo" }),
        });
        const nobody = "nobody";
        const app = served.app();
        app.get("/who", (c) => c.text(c.get("call").peer?.commonName ?? nobody));
        const routes = (router: ConnectRouter): unknown =>
          router.service(EchoService, {
            echo: (_, { values }) => ({ text: values.get(meshCall)?.peer?.commonName ?? nobody }),
          });
        const { url } = await served.serve({
          hostname: "127.0.0.1",
          port: 0,
          app,
          routes,
          clientAuth: "request",
        });
        await using mesh = createMesh({
          service: "gateway",
          tls: await authority.issue({ commonName: "gateway" }),
          resolver: staticResolver({ echo: [url] }),
        });
        for (const [target, expected] of [
          [url, nobody],
          ["echo", "gateway"],
          [url, nobody],
        ] as const) {
          if (target !== url || !ownRoots) {
            assert.equal(await mesh.rest(target).get("who").text(), expected);
          }
          for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
            const client = createClient(EchoService, mesh.transport(target, { protocol }));
            assert.equal((await client.echo({ text: "" })).text, expected, protocol);
          }
          const http1 = { protocol: "connect", httpVersion: "1.1" } as const;
          const client = createClient(EchoService, mesh.transport(target, http1));
          assert.equal((await client.echo({ text: "" })).text, expected);
        }
        if (!ownRoots) assert.equal(await (await mesh.fetch(`${url}/who`)).text(), nobody);
      } finally {
        setDefaultCACertificates(before);
      }
    },
  );
});
