import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { TlsIdentity } from "../../src/core/identity.ts";
import { createAuthority } from "../support/certificates.ts";
import { commandOf, type Program, runtimeNames, startProgram } from "./support/programs.ts";
import { freePorts, type RunningProxy, startProxy } from "./support/proxy-process.ts";
import { findHaproxy, needs } from "./support/tools.ts";

const haproxy = findHaproxy();
/** Another address of the loopback interface, so that client and proxy differ. */
const localAddress = "127.0.0.2";

for (const runtime of runtimeNames) {
  describe(
    `haproxy that sends the PROXY protocol to a server on ${runtime}`,
    needs(haproxy, "haproxy"),
    () => {
      const folder = mkdtempSync(join(tmpdir(), "mesh-proxy-"));
      let identity: TlsIdentity;
      let servers: Program[] = [];
      let proxy: RunningProxy;
      let ports: number[] = [];

      before(async () => {
        identity = await (await createAuthority()).issue();
        const command = commandOf(runtime, "address-server.ts");
        servers = await Promise.all([
          startProgram(command),
          startProgram(command, { TEST_CERT: identity.cert, TEST_KEY: identity.key }),
        ]);
        ports = await freePorts(4);
        const targets = servers.flatMap(({ port }) => [port, port]);
        const config = join(folder, "haproxy.cfg");
        writeFileSync(
          config,
          `global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${targets
  .map(
    (target, at) => `
listen way${at}
  bind 127.0.0.1:${ports[at]}
  server one 127.0.0.1:${target} ${at % 2 === 0 ? "send-proxy" : "send-proxy-v2"}
`,
  )
  .join("")}`,
        );
        proxy = await startProxy(haproxy!, ["-db", "-f", config], ports);
      });
      after(async () => {
        await proxy?.stop();
        await Promise.all(servers.map((server) => server.stop()));
        rmSync(folder, { recursive: true, force: true });
      });

      function http1(port: number, secure: boolean): Promise<string> {
        const send = secure ? httpsRequest : httpRequest;
        const options = {
          host: "127.0.0.1",
          port,
          localAddress,
          agent: false,
          ca: identity.ca,
          servername: "localhost",
          timeout: 10_000,
        };
        return new Promise((resolve, reject) => {
          const request = send(options, (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (piece: string) => {
              text += piece;
            });
            response.on("end", () => resolve(text));
          });
          request.on("error", reject);
          request.on("timeout", () => request.destroy(new Error("there is no response")));
          request.end();
        });
      }

      function http2(port: number, secure: boolean): Promise<string> {
        const options = { localAddress, ca: identity.ca };
        const session = connectHttp2(`${secure ? "https" : "http"}://127.0.0.1:${port}`, options);
        return new Promise<string>((resolve, reject) => {
          session.on("error", reject);
          const stream = session.request({ ":path": "/" });
          stream.setTimeout(10_000, () => stream.destroy(new Error("there is no response")));
          let text = "";
          stream.setEncoding("utf8").on("data", (piece: string) => {
            text += piece;
          });
          stream.on("error", reject).on("end", () => resolve(text));
        }).finally(() => session.close());
      }

      for (const [at, way] of [
        "version 1 in the clear",
        "version 2 in the clear",
        "version 1 before TLS",
        "version 2 before TLS",
      ].entries()) {
        it(`tells of the client, ${way}`, async () => {
          assert.equal(await http1(ports[at] ?? 0, at > 1), localAddress);
          assert.equal(await http2(ports[at] ?? 0, at > 1), localAddress);
        });
      }
    },
  );
}
