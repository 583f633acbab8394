import { relative } from "node:path";
import { heading, print, styled, table } from "./account.ts";
import type { Plan } from "./services.ts";

/** Addresses to open, and lines to paste into another terminal; each of them works as it stands. */
export function printInvitation(plan: Plan, operatorFolder: string, pidOf: (name: string) => number): void {
  const { gateway, lake, stream } = plan.ports;
  heading("Addresses");
  print(
    table(
      [{ title: "" }, { title: "" }, { title: "" }],
      [
        [
          "gateway",
          `http://localhost:${gateway}`,
          "/api/datasets /api/topics · /healthz /readyz /metrics need no token",
        ],
        ["lake", `https://localhost:${lake}`, "wants a client certificate"],
        ["stream", `https://localhost:${stream}`, "wants a client certificate"],
      ],
    ),
    3,
  );
  heading("To paste");
  const url = `http://localhost:${gateway}`;
  const auth = `-H 'authorization: Bearer ${plan.token}'`;
  const buf = "npx buf curl --schema protos";
  const list = `${url}/datapunk.nexus.v1.NexusService/ListDatasets`;
  const tls = `--cacert ${operatorFolder}/ca.pem --cert ${operatorFolder}/cert.pem --key ${operatorFolder}/key.pem`;
  const cars = relative(process.cwd(), "node_modules/vega-datasets/data/cars.json");
  const lines: [string, string][] = [
    ["REST over HTTP/1.1", `curl -s ${auth} ${url}/api/datasets`],
    ["REST over HTTP/2", `curl -s --http2-prior-knowledge ${auth} ${url}/api/datasets`],
    ["gRPC", `${buf} --protocol grpc --http2-prior-knowledge ${auth} ${list}`],
    ["Connect", `${buf} --protocol connect ${auth} ${list}`],
    ["Connect by hand", `curl -s ${auth} -H 'content-type: application/json' -d '{}' ${list}`],
    [
      "upload a dataset",
      `curl -s ${auth} -H 'content-type: application/json' -T ${cars} ${url}/api/datasets/cars`,
    ],
    [
      "ask for rows",
      `curl -s ${auth} '${url}/api/datasets/seattle-weather/rows?column=weather&equals=snow&limit=3'`,
    ],
    ["read events", `curl -s ${auth} '${url}/api/events/datasets?until=current'`],
    ["the Lake itself, over mTLS", `curl -s ${tls} https://localhost:${lake}/datasets`],
    [
      "the Stream over gRPC",
      `${buf} --protocol grpc ${tls} https://localhost:${stream}/datapunk.stream.v1.StreamService/ListTopics`,
    ],
    ["break something", `kill -9 ${pidOf("lake")}`],
  ];
  for (const [what, line] of lines) {
    print(styled("dim", `# ${what}`), 3);
    print(line, 3);
  }
}
