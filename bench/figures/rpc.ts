import { type ClientHttp2Session, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema } from "../gen/datapunk/mesh/bench/v1/bench_pb.ts";
import { type Figure, paired } from "../lib/figure.ts";
import { h2loadGrpc } from "../lib/load.ts";
import { type BenchRuntime, measureIn, start, type Target } from "../lib/process.ts";
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

/** Two pairs of client and server on Node in turn; `[client, server]` each. */
async function pairs(
  work: string,
  a: readonly [string, string],
  b: readonly [string, string],
  effort: Effort,
): Promise<number> {
  const first = await start("node", "rpc-server.ts", [a[1]], { cpu: 0 });
  const second = await start("node", "rpc-server.ts", [b[1]], { cpu: 0 });
  try {
    const load = (client: string, target: Target) => callsPerSecond("node", client, work, target, effort);
    return (await paired(load(a[0], first), load(b[0], second), effort.rounds)).ratio;
  } finally {
    await Promise.all([first.stop(), second.stop()]);
  }
}

/** Two clients in turn against one server: the fastest there is, so that only the clients are measured. */
async function clients(runtime: BenchRuntime, a: string, b: string, effort: Effort): Promise<number> {
  const server = await start("node", "rpc-server.ts", ["mesh"], { cpu: 0 });
  try {
    const load = (client: string) => callsPerSecond(runtime, client, "unary", server, effort);
    return (await paired(load(a), load(b), effort.rounds)).ratio;
  } finally {
    await server.stop();
  }
}

function callsPerSecond(
  runtime: BenchRuntime,
  client: string,
  work: string,
  server: Target,
  effort: Effort,
): () => Promise<number> {
  const args = [client, work, `http://127.0.0.1:${server.hello.port}`, String(effort.seconds)];
  return async () => (await measureIn(runtime, "rpc-client.ts", args, 1)).perSecond ?? Number.NaN;
}

const sessions = 400;
const streams = 5_000;

/**
 * Memory that the server holds for each idle session, or for each open stream, in kilobytes: what its heap and its
 * buffers grow by, garbage collected before and after.
 */
async function memory(of: "session" | "stream"): Promise<number> {
  const server = await start("node", "rpc-server.ts", ["mesh"], { cpu: 0 });
  const origin = `http://127.0.0.1:${server.hello.port}`;
  const opened: ClientHttp2Session[] = [];
  const open = async (): Promise<ClientHttp2Session> => {
    const session = connect(origin);
    opened.push(session);
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    return session;
  };
  const used = async (): Promise<number> => Number(await (await fetch(`${origin}/memory`)).text());
  try {
    // What is made at the first session and at the first call is nobody's own.
    await holdStream(await open());
    if (of === "session") {
      const before = await used();
      for (let i = 0; i < sessions; i++) await open();
      return ((await used()) - before) / sessions / 1000;
    }
    const carriers = [await open(), await open(), await open(), await open(), await open(), await open()];
    const before = await used();
    for (let i = 0; i < streams; i++) await holdStream(carriers[i % carriers.length]!);
    return ((await used()) - before) / streams / 1000;
  } finally {
    for (const session of opened) session.destroy();
    await server.stop();
  }
}

/** Opens a call and never sends its message: it is admitted and waits. */
async function holdStream(session: ClientHttp2Session): Promise<void> {
  const stream = session.request({
    ":method": "POST",
    ":path": "/datapunk.mesh.bench.v1.BenchService/Echo",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.write(new Uint8Array(1));
  await new Promise<void>((resolve) => session.ping(() => resolve()));
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
      measure: () => clients("node", "mesh", "grpc-js", effort),
    },
    {
      name: "gRPC unary client, all policies ÷ connect-node, node",
      target: { atLeast: 4 },
      measure: () => clients("node", "mesh", "connect-node", effort),
    },
    {
      name: "server-streaming messages, ours both ways ÷ grpc-js both, node",
      target: { atLeast: 1 },
      measure: () => pairs("feed", ["mesh", "mesh"], ["grpc-js", "grpc-js"], effort),
    },
    {
      name: "1 MiB messages, ours both ways ÷ grpc-js both, node",
      target: { atLeast: 1 },
      measure: () => pairs("large", ["mesh", "mesh"], ["grpc-js", "grpc-js"], effort),
    },
    ...others.map((runtime) => ({
      name: `gRPC unary server, all layers ÷ connect-node, ${runtime}`,
      target: { atLeast: 3 },
      measure: () => servers(runtime, "mesh", "connect-node", effort),
    })),
    ...others.map((runtime) => ({
      name: `gRPC unary client, all policies ÷ connect-node, ${runtime}`,
      target: { atLeast: 3 },
      measure: () => clients(runtime, "mesh", "connect-node", effort),
    })),
    {
      name: "gRPC server, kB per idle session, node",
      target: undefined,
      measure: () => memory("session"),
    },
    {
      name: "gRPC server, kB per open stream, node",
      target: undefined,
      measure: () => memory("stream"),
    },
  ];
}
