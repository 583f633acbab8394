import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { Figure } from "../lib/figure.ts";

/** Size of the portable entry in an edge bundle, in kB, without hono and connect and what they bring. */
export function bundleFigures(): readonly Figure[] {
  return [
    {
      name: "portable entry, bundled for the edge, gzip, kB",
      target: { atMost: 60 },
      async measure() {
        const result = await build({
          entryPoints: [fileURLToPath(new URL("../../mod.ts", import.meta.url))],
          bundle: true,
          minify: true,
          write: false,
          format: "esm",
          platform: "neutral",
          mainFields: ["module", "main"],
          conditions: ["workerd", "worker", "browser"],
          external: ["hono", "hono/*", "@connectrpc/*", "@bufbuild/*", "node:*"],
          logLevel: "silent",
        });
        return gzipSync(result.outputFiles[0]?.contents ?? new Uint8Array()).length / 1000;
      },
    },
  ];
}
