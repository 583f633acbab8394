/*
 * What stands behind the proxies: REST and gRPC's test service on one port, in the clear, served by the mesh on
 * whatever runtime runs this file. It prints its port as a line of JSON and ends with its standard input.
 */
import process from "node:process";
import { createMesh } from "@datapunk/mesh";
import { addProxiedRoutes, proxiedRoutes } from "./proxied-service.ts";

const mesh = createMesh({ service: "test", server: { rateLimit: false } });
const app = mesh.app();
addProxiedRoutes(app);
const server = await mesh.serve({ app, routes: proxiedRoutes, hostname: "127.0.0.1", port: 0 });
console.log(JSON.stringify({ port: server.port }));
process.stdin.on("end", () => process.exit(0)).resume();
