/** The server under test on workerd: bundles the worker, starts workerd with it, and says where it listens. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { bundleWorkers, newestCompatibilityDate, workerd, workerText } from "../scripts/test/workerd.ts";
import { readMessages, writeMessage } from "./frames.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";

const decoder = new TextDecoder();
/** A PEM text is a string of the configuration language as JSON writes it. */
const text = (pem: Uint8Array | undefined): string => JSON.stringify(decoder.decode(pem));

function socketText({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest): string {
  if (!useTls) return "http = ()";
  const clients =
    clientTlsCert.length === 0
      ? ""
      : `, requireClientCerts = true, trustedCertificates = [ ${text(clientTlsCert)} ]`;
  const keypair = `(privateKey = ${text(serverCreds?.key)}, certificateChain = ${text(serverCreds?.cert)})`;
  return `https = (options = (), tlsOptions = (keypair = ${keypair}${clients}))`;
}

async function prepare(request: ServerCompatRequest, directory: string): Promise<string> {
  const [compatibilityDate] = await Promise.all([
    newestCompatibilityDate(),
    bundleWorkers({
      root: import.meta.dirname,
      entryPoints: [{ in: "./server-worker.ts", out: "worker" }],
      outDir: directory,
    }),
  ]);
  const limit = `(name = "messageReceiveLimit", json = "${request.messageReceiveLimit}")`;
  const config = join(directory, "config.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "conformance", worker = .worker) ],
  sockets = [ (name = "rpc", address = "127.0.0.1:0", service = "conformance", ${socketText(request)}) ],
);
const worker :Workerd.Worker = ${workerText("worker.js", compatibilityDate, [limit])};
`,
  );
  return config;
}

/** The port that workerd says it listens on. */
async function portOf(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { event, port } = JSON.parse(line) as { readonly event: string; readonly port: number };
    if (event === "listen") return port;
  }
  throw new Error("Cannot test on workerd: it ended before it listened");
}

async function serve(request: ServerCompatRequest): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "mesh-conformance-"));
  let child: ChildProcess;
  try {
    const config = await prepare(request, directory);
    child = spawn(workerd, ["serve", "--control-fd=3", config], {
      stdio: ["ignore", 2, 2, "pipe"],
    });
    process.once("SIGTERM", () => child.kill("SIGKILL"));
    const response = create(ServerCompatResponseSchema, { host: "127.0.0.1", port: await portOf(child) });
    if (request.serverCreds !== undefined) response.pemCert = request.serverCreds.cert;
    writeMessage(ServerCompatResponseSchema, response);
  } finally {
    rmSync(directory, { recursive: true });
  }
  await once(child, "exit");
}

for await (const request of readMessages(ServerCompatRequestSchema)) {
  await serve(request);
  break;
}
