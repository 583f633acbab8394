import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { describeClients, describeServers } from "./support/client-suite.ts";
import { ownCases, standardCases } from "./support/grpc-cases.ts";
import { startProgram } from "./support/programs.ts";
import { bin, findPython, needs, output, root } from "./support/tools.ts";

const python = findPython();
const withPython = needs(
  python,
  "Python with grpcio and protobuf (scripts/python-env makes one; or set PYTHON)",
);
const folder = mkdtempSync(join(tmpdir(), "mesh-grpc-python-"));
const descriptors = join(folder, "descriptors.binpb");
const scriptOf = (name: string): string => join(root, "test/interop/support", name);

before(async () => {
  await output(bin("buf"), ["build", "protos", "--as-file-descriptor-set", "--output", descriptors]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

describeClients(
  "grpcio's server",
  [...Object.keys(standardCases), ...Object.keys(ownCases)],
  () => startProgram([python!, ["-B", scriptOf("grpc_server.py"), descriptors]]),
  withPython,
);

describeServers(
  "grpcio's client",
  [
    "empty_unary",
    "large_unary",
    "client_compressed_unary",
    "largest_message",
    "too_large_request",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "repeated_binary_metadata",
    "status_code_and_message",
    "special_status_message",
    "error_details",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "deadline_in_mid_stream",
  ],
  (port) => [python!, ["-B", scriptOf("grpc_client.py"), descriptors, `127.0.0.1:${port}`]],
  withPython,
);
