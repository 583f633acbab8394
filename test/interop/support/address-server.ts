/*
 * A service behind a balancer that speaks the PROXY protocol: it says who called, over TLS where the environment brings a
 * certificate. It prints its port as a line of JSON and ends with its standard input.
 */
import process from "node:process";
import { createMesh } from "@datapunk/mesh";

const mesh = createMesh({ service: "address", server: { rateLimit: false } });
const app = mesh.app();
app.get("/", (c) => c.text(c.env.connection?.remoteAddress ?? ""));
const { TEST_CERT: cert, TEST_KEY: key } = process.env;
const server = await mesh.serve({
  app,
  hostname: "127.0.0.1",
  port: 0,
  connections: { proxyProtocol: ["127.0.0.1"] },
  ...(cert !== undefined && key !== undefined && { tls: { cert, key } }),
});
console.log(JSON.stringify({ port: server.port }));
process.stdin.on("end", () => process.exit(0)).resume();
