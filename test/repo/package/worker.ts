/** A worker of a user, which serves what its clients are bound to. */
import { staticResolver } from "@datapunk/mesh";
import { createWorkerdRuntime } from "@datapunk/mesh/workerd";
import { callEcho, echoService, routes } from "./echo.ts";

export default {
  async test(): Promise<void> {
    const { mesh, app, served } = echoService();
    const handler = mesh.handler({ app, routes });
    const runtime = createWorkerdRuntime({ fetch: (url, init) => handler.fetch(new Request(url, init)) });
    const resolver = staticResolver({ echo: ["http://echo.internal"] });
    const found = await callEcho({ resolver, runtime }, ["connect", "grpc-web"]);
    console.log(JSON.stringify({ ...found, served: served() }));
  },
};
