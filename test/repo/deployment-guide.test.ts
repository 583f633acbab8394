import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Block, blocksOf, freePort, startServer, stopServer, untilListening } from "./documents.ts";
import { imageOf, type Manifest, manifestsIn, type Probe } from "./manifests.ts";
import { bin, manifest, root } from "./packed-package.ts";

const env = { PATH: `${bin}${delimiter}${process.env.PATH}`, DENO_NO_UPDATE_CHECK: "1" };

describe("docs/deployment.md", () => {
  let folder = "";
  let blocks: readonly Block[] = [];
  let port = 0;
  let adminPort = 0;
  let manifests: readonly Manifest[] = [];

  before(async () => {
    mkdirSync(join(root, ".cache"), { recursive: true });
    folder = mkdtempSync(join(root, ".cache/deployment-"));
    port = await freePort();
    adminPort = await freePort();
    const guide = readFileSync(join(root, "docs/deployment.md"), "utf8");
    blocks = blocksOf(guide.replaceAll("8080", `${port}`).replaceAll("9090", `${adminPort}`));
    for (const { file, text } of blocks) if (file !== undefined) writeFileSync(join(folder, file), text);
    manifests = await manifestsIn("deployment.yaml", folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const textOf = (file: string): string => blocks.find((block) => block.file === file)?.text ?? "";
  const pod = () => {
    const template = manifests.find(({ kind }) => kind === "Deployment")?.spec.template;
    assert.ok(template, "there is no Deployment");
    return { ...template, container: template.spec.containers[0]! };
  };

  /** The port that a name of the manifest stands for. */
  function portNamed(name: string): number {
    const named = pod().container.ports.find((each) => each.name === name);
    assert.ok(named, `no port is called ${name}`);
    return named.containerPort;
  }

  async function statusAt(port: number, path: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    await response.body?.cancel();
    return response.status;
  }

  const probe = ({ httpGet: { path, port } }: Probe): Promise<number> => statusAt(portNamed(port), path);

  for (const file of ["Dockerfile", "deno.Dockerfile", "bun.Dockerfile"]) {
    it(`starts what the manifest asks for, and lets it end without losing requests: ${file}`, async () => {
      const { exposed, command } = imageOf(textOf(file));
      const { container, metadata } = pod();
      assert.deepEqual(
        exposed,
        container.ports.map(({ containerPort }) => containerPort),
      );
      const server = startServer(command.join(" "), folder, env);
      try {
        await untilListening(adminPort, server);
        const { startupProbe, readinessProbe, livenessProbe } = container;
        for (const each of [startupProbe, readinessProbe, livenessProbe])
          assert.equal(await probe(each), 200);
        const annotations = metadata.annotations;
        const scraped = Number(annotations["prometheus.io/port"]);
        assert.equal(await statusAt(scraped, annotations["prometheus.io/path"] ?? ""), 200);
        assert.equal(await statusAt(port, "/metrics"), 404);

        server.kill("SIGTERM");
        while ((await probe(readinessProbe)) !== 503) await sleep(20);
        assert.equal(await probe(livenessProbe), 200);
        // By a connection of its own: the door is still open.
        assert.equal(await statusAt(port, "/items"), 200);
        assert.equal(await stopServer(server, "SIGTERM"), 0);
      } finally {
        await stopServer(server);
      }
    });
  }

  it("grants a pod more time than its drain takes, and needs no hook for it", () => {
    const { spec, container } = pod();
    const [, delayMs, timeoutMs] = /drain: \{ delayMs: ([\d_]+), timeoutMs: ([\d_]+) \}/
      .exec(textOf("server.ts"))!
      .map((text) => Number(text.replaceAll("_", "")));
    assert.ok(spec.terminationGracePeriodSeconds * 1_000 > delayMs! + timeoutMs!);
    assert.equal(container.lifecycle, undefined);
  });

  it("gives the readiness probe more time than a check may take", () => {
    assert.ok((pod().container.readinessProbe.timeoutSeconds ?? 1) > 2);
  });

  it("publishes the port of the service, and not that of probes and metrics", () => {
    const services = manifests.filter(({ kind }) => kind === "Service");
    assert.deepEqual(
      services.map(({ spec }) => spec.selector),
      [pod().metadata.labels],
    );
    const targets = services.flatMap(({ spec }) => (spec.ports ?? []).map(({ targetPort }) => targetPort));
    assert.deepEqual(targets.map(portNamed), [port]);
  });

  it("has a service for the other pods that gives all addresses", async () => {
    const [service] = await manifestsIn("lake.yaml", folder);
    assert.equal(service?.spec.clusterIP, "None");
  });

  it("builds on images of runtimes that the package runs on", () => {
    const major = (text: string): number => Number(/(\d+)/.exec(text)?.[1]);
    assert.match(imageOf(textOf("Dockerfile")).from, /^node:/);
    for (const [file, name] of [
      ["Dockerfile", "node"],
      ["deno.Dockerfile", "deno"],
      ["bun.Dockerfile", "bun"],
    ] as const) {
      assert.equal(major(imageOf(textOf(file)).from), major(manifest.devDependencies[name]!), file);
    }
  });
});
