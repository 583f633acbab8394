/** The server under test on workerd: bundles the worker, starts workerd with it, and says where it listens. */
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { serveWorker } from "../scripts/test/workerd.ts";
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

async function serve(request: ServerCompatRequest): Promise<void> {
  const { child, port } = await serveWorker({
    entryPoint: join(import.meta.dirname, "server-worker.ts"),
    socket: socketText(request),
    bindings: [`(name = "messageReceiveLimit", json = "${request.messageReceiveLimit}")`],
  });
  process.once("SIGTERM", () => child.kill("SIGKILL"));
  const response = create(ServerCompatResponseSchema, { host: "127.0.0.1", port });
  if (request.serverCreds !== undefined) response.pemCert = request.serverCreds.cert;
  writeMessage(ServerCompatResponseSchema, response);
  await once(child, "exit");
}

for await (const request of readMessages(ServerCompatRequestSchema)) {
  await serve(request);
  break;
}
