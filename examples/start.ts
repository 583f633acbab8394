/*
 * `npm start`: three services on three runtimes, a tour of what they do with each other, then an open house
 * until Ctrl-C. With `--once` it ends after the tour: with 0 if every step of it succeeded.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMesh, type Mesh, staticResolver, type TlsIdentity } from "@datapunk/mesh";
import { createDevAuthority, trustDomain } from "./dev-ca.ts";
import { denied } from "./tour/access-steps.ts";
import { duration, heading, print, styled, table } from "./tour/account.ts";
import { download, query, upload } from "./tour/data-steps.ts";
import { dialects } from "./tour/dialect-step.ts";
import { publishMany, readBack } from "./tour/event-steps.ts";
import { kill, restart } from "./tour/fault-steps.ts";
import { Fleet } from "./tour/fleet.ts";
import { TourGuide } from "./tour/run.ts";
import { findPorts, type Plan, serviceSpecs, writeIdentity } from "./tour/services.ts";
import { printInvitation } from "./tour/try-it.ts";

const steps = [upload, query, download, publishMany, readBack, dialects, denied, restart, kill];
const once = process.argv.includes("--once");
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const folder = mkdtempSync(join(tmpdir(), "datapunk-mesh-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const fleet = new Fleet((name, why) =>
  print(styled("yellow", `! ${name} ended (${why}): starting it again`), 3),
);
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of signals) process.once(signal, () => reject(new Interrupted(signal)));
});
interrupted.catch(() => {});

class Interrupted extends Error {}

async function main(): Promise<void> {
  const begun = performance.now();
  heading("Datapunk Mesh: three services, three runtimes, one port each");

  const authority = await createDevAuthority();
  const plan: Plan = { folder, token: randomBytes(9).toString("hex"), ports: await findPorts(!once) };
  const operatorTls = await authority.issue("operator");
  const operatorFolder = writeIdentity(plan, "operator", operatorTls);
  const urls = {
    gateway: `http://127.0.0.1:${plan.ports.gateway}`,
    lake: `https://127.0.0.1:${plan.ports.lake}`,
    stream: `https://127.0.0.1:${plan.ports.stream}`,
  };
  const operator = operatorMesh(operatorTls, urls);

  const specs = await serviceSpecs(
    plan,
    authority,
    async (name) => (await operator.rest(name).health()).ready,
  );
  const started = await Promise.all(specs.map((spec) => fleet.start(spec)));
  print(
    table(
      ["service", "runtime", "process", "port", "ready after", "identity"].map((title) => ({ title })),
      specs.map(({ name, runtime }, i) => [
        name,
        runtime,
        `${fleet.pid(name)}`,
        new URL(urls[name as keyof typeof urls]).port,
        duration(started[i] ?? 0),
        `spiffe://${trustDomain}/${name}`,
      ]),
    ),
    3,
  );

  const tour = { ...urls, gateway: urls.gateway, token: plan.token, authority, operator, fleet, note };
  const guide = new TourGuide(tour, new Map(specs.map(({ name, runtime }) => [name, runtime])));
  for (const step of steps) await guide.run(step);
  guide.printTotals();
  heading(
    `The tour succeeded: ${steps.length} of ${steps.length} steps in ${duration(performance.now() - begun)}`,
  );

  if (!once) {
    printInvitation(plan, operatorFolder, (name) => fleet.pid(name));
    heading("The house is open until Ctrl-C");
    await interrupted;
  }
}

/** The operator's view of the mesh: sees things as they are, so nothing is tried twice. */
function operatorMesh(tls: TlsIdentity, urls: Readonly<Record<string, string>>): Mesh {
  const services = Object.entries(urls).map(([name, url]) => [name, [url]]);
  return createMesh({
    service: "operator",
    tls,
    resolver: staticResolver(Object.fromEntries(services)),
    policies: { "*": { retry: false, breaker: false, timeoutMs: 5_000 } },
  });
}

function note(text: string): void {
  print(text, 3);
}

/** What the services printed last: the reason of a failure is often there. */
function printLogs(): void {
  for (const name of fleet.names) {
    heading(`Last lines of ${name}`);
    print(fleet.logTail(name, 20), 3);
  }
}

try {
  await Promise.race([main(), interrupted]);
} catch (error) {
  if (error instanceof Interrupted) process.exitCode = 0;
  else {
    process.exitCode = 1;
    printLogs();
    heading(styled("red", `Failed: ${error instanceof Error ? error.message : error}`));
  }
}
// A second signal means that nobody wants to wait: the services are killed on the way out.
for (const signal of signals) process.once(signal, () => process.exit(130));
await fleet.close();
print(`\nAll services drained and stopped.`);
process.exit();
