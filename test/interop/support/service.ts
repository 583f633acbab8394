/*
 * The service that clients of other makes call, on whatever runtime runs this file. It prints its port
 * as a line of JSON and ends with its standard input.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createMesh } from "@datapunk/mesh";
import { LakeService } from "../../../examples/gen/datapunk/lake/v1/lake_pb.ts";
import { datasets } from "./datasets.ts";

const tls =
  process.env.TLS_FILE === undefined ? undefined : JSON.parse(readFileSync(process.env.TLS_FILE, "utf8"));
const mesh = createMesh({ service: "lake", ...(tls && { tls }), server: { rateLimit: false } });

const app = mesh.app();
app.get("/datasets", (c) => c.json({ datasets }));

const messages = datasets.map(({ name, rows, sha256 }) => ({ name, rows: BigInt(rows), sha256 }));
const server = await mesh.serve({
  app,
  hostname: "127.0.0.1",
  port: 0,
  routes(router) {
    router.service(LakeService, {
      listDatasets: () => ({ datasets: messages }),
      getDataset: ({ name }) => {
        const dataset = messages.find((each) => each.name === name);
        return dataset === undefined ? {} : { dataset };
      },
      async *queryRows({ limit }) {
        for (let index = 0; index < limit; index++)
          yield { index: BigInt(index), values: { row: `${index}` } };
      },
    });
  },
});
console.log(JSON.stringify({ port: server.port }));
process.stdin.on("end", () => process.exit(0)).resume();
