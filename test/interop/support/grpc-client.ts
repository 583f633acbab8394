/*
 * The mesh's client on whatever runtime runs this file, against a server of another make:
 *
 *     grpc-client.ts ORIGIN CASE...
 *
 * Prints a line of JSON for each case: its name, and what went wrong if something did.
 */
import process from "node:process";
import { createMesh, staticResolver } from "@datapunk/mesh";
import { runCase } from "./grpc-cases.ts";

const [origin = "", ...cases] = process.argv.slice(2);
const mesh = createMesh({ service: "tester", resolver: staticResolver({ test: [origin] }) });
const transport = mesh.transport("test", { protocol: "grpc" });
for (const name of cases) {
  const problem = await runCase(name, transport);
  console.log(JSON.stringify({ name, problem }));
}
await mesh.close();
