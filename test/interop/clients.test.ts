import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createAuthority } from "../support/certificates.ts";
import { datasets } from "./support/datasets.ts";
import { commandOf, type Program, runtimeNames, startProgram } from "./support/programs.ts";
import { bin, findCurl, findPython, needs, output, root } from "./support/tools.ts";

const curl = findCurl();
const python = findPython();
const withCurl = needs(curl, "curl with HTTP/2");
const withPython = needs(
  python,
  "Python with grpcio and protobuf (scripts/python-env makes one; or set PYTHON)",
);

const folder = mkdtempSync(join(tmpdir(), "mesh-clients-"));
const descriptors = join(folder, "descriptors.binpb");
const files = { ca: join(folder, "ca.pem"), cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
const tlsFile = join(folder, "tls.json");

before(async () => {
  const identity = await (await createAuthority()).issue({ commonName: "lake" });
  writeFileSync(tlsFile, JSON.stringify(identity));
  for (const name of ["ca", "cert", "key"] as const) writeFileSync(files[name], identity[name]);
  await output(bin("buf"), ["build", "protos", "--as-file-descriptor-set", "--output", descriptors]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** JSON for REST and JSON for protobuf write the same numbers differently: 64-bit ones are text there. */
function normalized(response: {
  readonly datasets: readonly { name: string; rows?: unknown; sha256?: string }[];
}): unknown {
  return response.datasets.map(({ name, rows = 0, sha256 = "" }) => ({ name, rows: Number(rows), sha256 }));
}

for (const runtime of runtimeNames) {
  for (const secure of [false, true]) {
    const wire = secure ? "mTLS" : "cleartext";
    describe(`one port of a service on ${runtime}, ${wire}, gives the same response to`, () => {
      let service: Program;
      let url = "";
      const curlTls = secure ? ["--cacert", files.ca, "--cert", files.cert, "--key", files.key] : [];

      before(async () => {
        service = await startProgram(commandOf(runtime, "service.ts"), secure ? { TLS_FILE: tlsFile } : {});
        url = `${secure ? "https" : "http"}://localhost:${service.port}`;
      });
      after(() => service.stop());

      async function byCurl(version: string): Promise<void> {
        const report = "\n%{http_version}";
        const response = await output(curl!, [
          "--silent",
          "--show-error",
          "--fail",
          "--max-time",
          "10",
          version,
          "--write-out",
          report,
          ...curlTls,
          `${url}/datasets`,
        ]);
        const [body = "", httpVersion] = response.trim().split("\n");
        assert.deepEqual(normalized(JSON.parse(body)), datasets);
        assert.equal(httpVersion, version === "--http1.1" ? "1.1" : "2");
      }

      async function byBuf(protocol: string, ...more: string[]): Promise<void> {
        const response = await output(bin("buf"), [
          "curl",
          "--schema",
          "protos",
          "--protocol",
          protocol,
          ...more,
          ...curlTls,
          `${url}/datapunk.lake.v1.LakeService/ListDatasets`,
        ]);
        assert.deepEqual(normalized(JSON.parse(response)), datasets);
      }

      it("curl over HTTP/1.1", withCurl, () => byCurl("--http1.1"));
      it("curl over HTTP/2", withCurl, () => byCurl(secure ? "--http2" : "--http2-prior-knowledge"));
      it("buf curl over gRPC", () => byBuf("grpc", ...(secure ? [] : ["--http2-prior-knowledge"])));
      it("buf curl over gRPC-Web", () => byBuf("grpcweb"));
      it("buf curl over Connect", () => byBuf("connect"));

      it("Python's grpcio, unary and streamed", withPython, async () => {
        const client = join(root, "test/interop/support/client.py");
        const tls = secure ? [files.ca, files.cert, files.key] : [];
        const response = JSON.parse(
          await output(python!, [client, descriptors, `localhost:${service.port}`, ...tls]),
        );
        assert.deepEqual(normalized(response), datasets);
        assert.deepEqual(
          response.streamed,
          Array.from({ length: 1000 }, (_, index) => index),
        );
      });
    });
  }
}
