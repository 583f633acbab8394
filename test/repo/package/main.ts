/** A program of a user: serves on a port, and calls. */
import { staticResolver } from "@datapunk/mesh";
import { callEcho, echoService, routes } from "./echo.ts";

const { mesh, app, served } = echoService();
const server = await mesh.serve({ app, routes, port: 0, hostname: "127.0.0.1" });
const resolver = staticResolver({ echo: [server.url] });
const found = await callEcho({ resolver }, ["grpc", "connect", "grpc-web"]);
console.log(JSON.stringify({ ...found, served: served() }));
await server.close();
await mesh.close();
