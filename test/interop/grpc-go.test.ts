import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createAuthority } from "../support/certificates.ts";
import { describeClients } from "./support/client-suite.ts";
import { standardCases } from "./support/grpc-cases.ts";
import { commandOf, type Program, runtimeNames, startProgram } from "./support/programs.ts";
import { findGrpcGo, needs, output } from "./support/tools.ts";

const programs = findGrpcGo();
const withGo = needs(programs, "grpc-go's interop programs (scripts/grpc-go builds them, with Go)");

/** What Go's client can be told to do without credentials or load balancers. */
const clientCases = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "custom_metadata",
  "status_code_and_message",
  "special_status_message",
  "unimplemented_method",
  "unimplemented_service",
  "cancel_after_begin",
  "cancel_after_first_response",
  "timeout_on_sleeping_server",
];

const folder = mkdtempSync(join(tmpdir(), "mesh-grpc-go-"));
const caFile = join(folder, "ca.pem");
const tlsFile = join(folder, "tls.json");
before(async () => {
  const identity = await (await createAuthority()).issue({ commonName: "test" });
  writeFileSync(caFile, identity.ca);
  writeFileSync(tlsFile, JSON.stringify(identity));
});
after(() => rmSync(folder, { recursive: true, force: true }));

for (const runtime of runtimeNames) {
  for (const secure of [false, true]) {
    describe(`grpc-go's interop client and the mesh's server on ${runtime}, ${secure ? "TLS" : "cleartext"}`, () => {
      let server: Program | undefined;
      before(async () => {
        if (programs === undefined) return;
        server = await startProgram(
          commandOf(runtime, "grpc-server.ts"),
          secure ? { TLS_FILE: tlsFile } : {},
        );
      });
      after(() => server?.stop());

      for (const name of clientCases) {
        it(`agree on ${name.replaceAll("_", " ")}`, withGo, async () => {
          const tls = secure
            ? ["-use_tls", "-use_test_ca", "-ca_file", caFile, "-server_host_override", "localhost"]
            : [];
          const address = ["-server_host", "127.0.0.1", "-server_port", `${server?.port}`];
          await output(join(programs!, "client"), ["-test_case", name, ...address, ...tls]);
        });
      }
    });
  }
}

describeClients(
  "grpc-go's interop server",
  Object.keys(standardCases),
  () => startProgram([join(programs!, "server"), []]),
  withGo,
);
