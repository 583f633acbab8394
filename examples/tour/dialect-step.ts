import { connect } from "node:http2";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { NexusService } from "../gen/datapunk/nexus/v1/nexus_pb.ts";
import { duration, table } from "./account.ts";
import { ask, check, type Step, type Tour } from "./tour.ts";

/** What all dialects must agree on: every dataset with its checksum. */
type Datasets = readonly { readonly name: string; readonly sha256: string }[];

/** Asks one port of one service the same question in every dialect. */
export const dialects: Step = {
  title: "Ask one port the same question in every dialect",
  async run(tour) {
    const ways: [string, string, () => Promise<Datasets>][] = [
      ["REST", "HTTP/1.1", () => overHttp1(tour)],
      ["REST", "HTTP/2", () => overHttp2(tour)],
      ["gRPC", "HTTP/2", () => overRpc(tour, "grpc")],
      ["gRPC-Web", "HTTP/1.1", () => overRpc(tour, "grpc-web")],
      ["Connect", "HTTP/1.1", () => overRpc(tour, "connect")],
    ];
    const rows: string[][] = [];
    let first: string | undefined;
    for (const [dialect, wire, way] of ways) {
      const begun = performance.now();
      const response = (await way()).map(({ name, sha256 }) => `${name} ${sha256.slice(0, 8)}`).join(", ");
      rows.push([dialect, wire, duration(performance.now() - begun), response]);
      first ??= response;
      check(response === first, `the same result over ${dialect}: ${first}`, response);
    }
    tour.note(table([{ title: "" }, { title: "" }, { title: "", align: "right" }, { title: "" }], rows));
  },
};

async function overHttp1(tour: Tour): Promise<Datasets> {
  const { datasets } = (await (await ask(tour, "/api/datasets")).json()) as { datasets: Datasets };
  return datasets;
}

async function overHttp2(tour: Tour): Promise<Datasets> {
  const session = connect(tour.gateway);
  try {
    const stream = session.request({ ":path": "/api/datasets", authorization: `Bearer ${tour.token}` });
    stream.setEncoding("utf8");
    stream.setTimeout(5_000, () => stream.destroy(new Error("timed out")));
    let text = "";
    for await (const piece of stream) text += piece;
    return (JSON.parse(text) as { datasets: Datasets }).datasets;
  } finally {
    session.close();
  }
}

async function overRpc(tour: Tour, protocol: "grpc" | "grpc-web" | "connect"): Promise<Datasets> {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${tour.token}`);
    return next(request);
  };
  const transport = tour.operator.transport("gateway", { protocol, interceptors: [withToken] });
  const { datasets } = await createClient(NexusService, transport).listDatasets({});
  return datasets;
}
