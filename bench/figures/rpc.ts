import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema } from "../gen/datapunk/mesh/bench/v1/bench_pb.ts";
import { type Figure, paired } from "../lib/figure.ts";
import { h2loadGrpc } from "../lib/load.ts";
import { type BenchRuntime, measureIn, start } from "../lib/process.ts";
import type { Effort } from "./rest.ts";

const request = toBinary(
  EchoRequestSchema,
  create(EchoRequestSchema, { payload: new Uint8Array(32).fill(7) }),
);

/** The same load on two servers of one runtime, in turn. */
async function servers(runtime: BenchRuntime, a: string, b: string, effort: Effort): Promise<number> {
  const first = await start(runtime, "rpc-server.ts", [a], { cpu: 0 });
  const second = await start(runtime, "rpc-server.ts", [b], { cpu: 0 });
  try {
    const load = (port: number | undefined) => () =>
      h2loadGrpc(
        `http://127.0.0.1:${port}/datapunk.mesh.bench.v1.BenchService/Echo`,
        request,
        effort.seconds,
      );
    return (await paired(load(first.hello.port), load(second.hello.port), effort.rounds)).ratio;
  } finally {
    await Promise.all([first.stop(), second.stop()]);
  }
}

/** Two pairs of client and server in turn; `[client, server]` each. */
async function pairs(
  runtime: BenchRuntime,
  work: string,
  a: readonly [string, string],
  b: readonly [string, string],
  effort: Effort,
): Promise<number> {
  const first = await start(runtime, "rpc-server.ts", [a[1]], { cpu: 0 });
  const second = await start(runtime, "rpc-server.ts", [b[1]], { cpu: 0 });
  try {
    const load = (client: string, port: number | undefined) => async () =>
      (
        await measureIn(
          runtime,
          "rpc-client.ts",
          [client, work, `http://127.0.0.1:${port}`, String(effort.seconds)],
          1,
        )
      ).perSecond ?? Number.NaN;
    return (await paired(load(a[0], first.hello.port), load(b[0], second.hello.port), effort.rounds)).ratio;
  } finally {
    await Promise.all([first.stop(), second.stop()]);
  }
}

/** gRPC server, client and streams. */
export function rpcFigures(effort: Effort): readonly Figure[] {
  const others: readonly BenchRuntime[] = ["deno", "bun"];
  return [
    {
      name: "gRPC unary server, all layers ÷ grpc-js, node",
      target: { atLeast: 1 },
      measure: () => servers("node", "mesh", "grpc-js", effort),
    },
    {
      name: "gRPC unary server, all layers ÷ connect-node, node",
      target: { atLeast: 8 },
      measure: () => servers("node", "mesh", "connect-node", effort),
    },
    {
      name: "gRPC unary client, all policies ÷ grpc-js, node",
      target: { atLeast: 1.5 },
      measure: () => pairs("node", "unary", ["mesh", "grpc-js"], ["grpc-js", "grpc-js"], effort),
    },
    {
      name: "gRPC unary client, all policies ÷ connect-node, node",
      target: { atLeast: 4 },
      measure: () => pairs("node", "unary", ["mesh", "grpc-js"], ["connect-node", "grpc-js"], effort),
    },
    {
      name: "server-streaming messages, ours both ways ÷ grpc-js both, node",
      target: { atLeast: 1 },
      measure: () => pairs("node", "feed", ["mesh", "mesh"], ["grpc-js", "grpc-js"], effort),
    },
    {
      name: "1 MiB messages, ours both ways ÷ grpc-js both, node",
      target: { atLeast: 1 },
      measure: () => pairs("node", "large", ["mesh", "mesh"], ["grpc-js", "grpc-js"], effort),
    },
    ...others.map((runtime) => ({
      name: `gRPC unary server, all layers ÷ connect-node, ${runtime}`,
      target: { atLeast: 3 },
      measure: () => servers(runtime, "mesh", "connect-node", effort),
    })),
    ...others.map((runtime) => ({
      name: `gRPC unary client, all policies ÷ connect-node, ${runtime}`,
      target: { atLeast: 3 },
      measure: () =>
        pairs(runtime, "unary", ["mesh", "connect-node"], ["connect-node", "connect-node"], effort),
    })),
  ];
}
