/*
 * A REST route and gRPC's test service on one port, served by the mesh on whatever runtime runs this file. It prints
 * its port as a line of JSON and ends with its standard input.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createMesh } from "@datapunk/mesh";
import { testRoutes } from "./test-service.ts";

const tls =
  process.env.TLS_FILE === undefined ? undefined : JSON.parse(readFileSync(process.env.TLS_FILE, "utf8"));
const mesh = createMesh({ service: "test", ...(tls && { tls }), server: { rateLimit: false } });
const app = mesh.app();
app.get("/", (c) => c.text("hello"));
app.post("/", async (c) => c.text(await c.req.text()));
const server = await mesh.serve({
  app,
  routes: testRoutes,
  hostname: "127.0.0.1",
  port: 0,
  clientAuth: "none",
});
console.log(JSON.stringify({ port: server.port }));
process.stdin.on("end", () => process.exit(0)).resume();
