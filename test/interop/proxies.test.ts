import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { commandOf, type Program, runtimeNames, startProgram } from "./support/programs.ts";
import type { ProxiedReport } from "./support/proxied-client.ts";
import { envoy, haproxy, nginx, type ProxyConfiguration } from "./support/proxies.ts";
import { startProxy } from "./support/proxy-process.ts";
import { findEnvoy, findHaproxy, findNginx, needs, output } from "./support/tools.ts";

/** How often each kind of call is made through each way. */
const rounds = 4;

interface Proxy {
  readonly program: string | undefined;
  readonly remedy: string;
  readonly configure: (folder: string, upstream: number) => Promise<ProxyConfiguration>;
  readonly routes: readonly string[];
}

const proxies: Readonly<Record<string, Proxy>> = {
  nginx: {
    program: findNginx(),
    remedy: "nginx",
    configure: nginx,
    routes: [
      "HTTP/1.1 to HTTP/1.1",
      "HTTP/1.1 to HTTP/1.1, buffered",
      "HTTP/2 to HTTP/1.1",
      "HTTP/2 to HTTP/2 (grpc_pass)",
    ],
  },
  haproxy: {
    program: findHaproxy(),
    remedy: "haproxy",
    configure: haproxy,
    routes: ["HTTP/1.1 to HTTP/1.1", "HTTP/2 to HTTP/2", "HTTP/1.1 to HTTP/2", "HTTP/2 to HTTP/1.1"],
  },
  Envoy: {
    program: findEnvoy(),
    remedy: "Envoy (scripts/envoy installs it)",
    configure: envoy,
    routes: ["either to HTTP/1.1", "either to HTTP/2"],
  },
};

const temporary = mkdtempSync(join(tmpdir(), "mesh-proxies-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

for (const runtime of runtimeNames) {
  describe(`between a client and a server of the mesh on ${runtime}`, () => {
    let server: Program;
    before(async () => {
      server = await startProgram(commandOf(runtime, "proxied-server.ts"));
    });
    after(() => server.stop());

    for (const [name, { program, remedy, configure, routes }] of Object.entries(proxies)) {
      const possible = needs(program, remedy);
      const reports: ProxiedReport[] = [];

      /** Has the client make all calls through all ways of the proxy, in one process. */
      async function callThrough(): Promise<void> {
        const folder = mkdtempSync(join(temporary, `${name}-`));
        const configuration = await configure(folder, server.port);
        const ports = configuration.routes.map(({ port }) => port);
        const proxy = await startProxy(program!, configuration.args, ports);
        try {
          const targets = configuration.routes.map((route) =>
            JSON.stringify({ ...route, origin: `http://127.0.0.1:${route.port}` }),
          );
          const lines = await output(...commandOf(runtime, "proxied-client.ts", String(rounds), ...targets));
          reports.push(
            ...lines
              .trim()
              .split("\n")
              .map((line) => JSON.parse(line) as ProxiedReport),
          );
        } finally {
          await proxy.stop();
        }
      }

      describe(`${name} changes no call`, () => {
        before(async () => {
          if (possible.skip === false) await callThrough();
        });

        for (const route of routes) {
          it(`from ${route}`, possible, () => {
            const own = reports.filter((report) => report.name === route);
            assert.ok(own.length > 0, "no call was made");
            for (const { caller, problems } of own)
              assert.deepEqual({ caller, problems }, { caller, problems: {} });
          });
        }
      });
    }
  });
}
