import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { createAuthority } from "../support/certificates.ts";
import { commandOf, runtimeNames, startProgram } from "./support/programs.ts";
import { findH2spec, needs, root } from "./support/tools.ts";

const h2spec = findH2spec();
const withH2spec = needs(h2spec, "h2spec (scripts/h2spec builds it, with Go)");

/** What may fail, and why that is no fault. */
const accepted: Readonly<Record<string, "in the clear" | "always">> = {
  // What is no HTTP/2 is HTTP/1.1 on the same port, and gets an HTTP/1.1 response.
  "Sends invalid connection preface": "in the clear",
  // It takes 16384 bytes for the largest frame of every server; ours announces 65536.
  "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE": "always",
};

const folder = mkdtempSync(join(tmpdir(), "mesh-h2spec-"));
const tlsFile = join(folder, "tls.json");
before(async () => writeFileSync(tlsFile, JSON.stringify(await (await createAuthority()).issue())));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const runtime of runtimeNames) {
  for (const secure of [false, true]) {
    describe(`h2spec and the mesh's server on ${runtime}, ${secure ? "TLS" : "cleartext"}`, () => {
      it("agree on HTTP/2, down to its strictest cases", withH2spec, async () => {
        const server = await startProgram(
          commandOf(runtime, "http2-server.ts"),
          secure ? { TLS_FILE: tlsFile } : {},
        );
        try {
          const args = ["--strict", "--host", "127.0.0.1", "--port", `${server.port}`];
          if (secure) args.push("--tls", "--insecure");
          const { output } = await runProcess(h2spec!, args, { cwd: root, timeoutMs: 60_000 });
          const failed = [...new Set([...output.matchAll(/× \d+: (.*)/g)].map((match) => match[1]!.trim()))];
          const faults = failed.filter((name) => {
            const when = accepted[name];
            return when === undefined || (when === "in the clear" && secure);
          });
          assert.deepEqual(faults, [], output);
          assert.match(output, /^14[5-9] tests, 14\d passed, 0 skipped, [0-2] failed$/m);
        } finally {
          await server.stop();
        }
      });
    });
  }
}
