import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { commandOf, type Program, runtimeNames, startProgram } from "./support/programs.ts";
import { digestOf, pattern } from "./support/proxied-service.ts";
import { findCurl, needs, root } from "./support/tools.ts";

const curl = findCurl();
const withCurl = needs(curl, "curl with HTTP/2");

const folder = mkdtempSync(join(tmpdir(), "mesh-expect-"));
const files = { small: join(folder, "small"), large: join(folder, "large") };
const small = pattern(100_000);
before(() => {
  writeFileSync(files.small, small);
  writeFileSync(files.large, pattern(2_097_152));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** The statuses of a response, interim ones first, and its body. */
interface Seen {
  readonly statuses: readonly string[];
  readonly body: string;
}

for (const runtime of runtimeNames) {
  describe(`curl that expects 100-continue of the mesh's server on ${runtime}`, () => {
    let server: Program;
    before(async () => {
      server = await startProgram(commandOf(runtime, "proxied-server.ts"));
    });
    after(() => server.stop());

    async function upload(version: string, file: string, ...more: string[]): Promise<Seen> {
      const { exitCode, output } = await runProcess(
        curl!,
        [
          "--silent",
          "--show-error",
          "--include",
          "--max-time",
          "15",
          // Without a word from the server it would send the body after a second, and nobody would notice.
          "--expect100-timeout",
          "60",
          version,
          "--header",
          "Expect: 100-continue",
          "--header",
          "Content-Type: application/octet-stream",
          ...more,
          "--data-binary",
          `@${file}`,
          `http://127.0.0.1:${server.port}/digest`,
        ],
        { cwd: root, timeoutMs: 20_000 },
      );
      assert.equal(exitCode, 0, output);
      const statuses = [...output.matchAll(/^HTTP\/[\d.]+ (\d+)/gm)].map((match) => match[1]!);
      return { statuses, body: output.trim().split("\n").at(-1)! };
    }

    for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
      const name = version === "--http1.1" ? "HTTP/1.1" : "HTTP/2";

      it(`is told over ${name} to send what the handler reads`, withCurl, async () => {
        const { statuses, body } = await upload(version, files.small);
        assert.deepEqual(statuses, ["100", "200"]);
        assert.deepEqual(JSON.parse(body), digestOf(small));
      });

      it(`is told over ${name} to send a body of unknown length`, withCurl, async () => {
        const { statuses, body } = await upload(
          version,
          files.small,
          "--header",
          "Transfer-Encoding: chunked",
        );
        assert.deepEqual(statuses, ["100", "200"]);
        assert.deepEqual(JSON.parse(body), digestOf(small));
      });

      it(`sees 413 over ${name} before it has sent what is too much`, withCurl, async () => {
        const { statuses, body } = await upload(version, files.large);
        assert.deepEqual(statuses, ["413"]);
        assert.equal(JSON.parse(body).status, 413);
      });
    }
  });
}
