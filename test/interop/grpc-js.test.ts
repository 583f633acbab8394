import { join } from "node:path";
import { describeClients, describeServers } from "./support/client-suite.ts";
import { ownCases, standardCases } from "./support/grpc-cases.ts";
import { startProgram } from "./support/programs.ts";
import { bin, root } from "./support/tools.ts";

const fileOf = (name: string): string => join(root, "test/interop/support", name);

describeClients("grpc-js' server", [...Object.keys(standardCases), ...Object.keys(ownCases)], () =>
  startProgram([bin("node"), [fileOf("grpc-js-server.ts")]]),
);

describeServers(
  "grpc-js' client",
  [
    "empty_unary",
    "large_unary",
    "client_compressed_unary",
    "largest_message",
    "too_large_request",
    "client_streaming",
    "server_streaming",
    "many_messages",
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
    "timeout_on_sleeping_server",
    "deadline_in_mid_stream",
  ],
  (port) => [bin("node"), [fileOf("grpc-js-client.ts"), `127.0.0.1:${port}`]],
);
