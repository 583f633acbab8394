import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Server as MeshServer } from "../../src/mesh/options.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { findChromium, needs, root } from "./support/tools.ts";

const chromium = findChromium();
const browserTimeoutMs = 60_000;

/** A web server with one page; it tells what the page reports. */
class PageServer {
  readonly #server: Server;
  readonly #reports: ((report: Record<string, string>) => void)[] = [];

  constructor(script: string) {
    this.#server = createServer(async (request, response) => {
      if (request.url !== "/report") {
        response.setHeader("content-type", "text/html; charset=utf-8");
        response.end(
          `<!doctype html><script type="module">${script.replaceAll("</script", "<\\/script")}</script>`,
        );
        return;
      }
      let text = "";
      for await (const chunk of request) text += String(chunk);
      response.end();
      this.#reports.shift()?.(JSON.parse(text) as Record<string, string>);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async open(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** What the next page to be done reports. */
  reported(): Promise<Record<string, string>> {
    return new Promise((resolve) => this.#reports.push(resolve));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe("Chromium, with a page of another origin,", needs(chromium, "Chromium"), () => {
  let pages: PageServer;
  let mesh: MeshServer;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mesh-browser-"));
    const { outputFiles } = await build({
      entryPoints: [join(root, "test/interop/support/browser-page.ts")],
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      write: false,
    });
    pages = new PageServer(outputFiles[0]?.text ?? "");
    await pages.open();
    const made = createMesh({
      service: "shop",
      server: {
        rateLimit: false,
        auth: { validate: staticTokens({ token: "ann" }) },
        cors: {
          origins: [`http://127.0.0.1:${pages.port}`],
          exposeHeaders: ["x-request-id", "x-echo-header", "x-echo-trailer"],
        },
      },
    });
    const app = made.app().get("/text", (c) => c.text("ok"));
    mesh = await made.serve({ app, routes: echoRoutes, hostname: "127.0.0.1", port: 0 });
  });
  after(async () => {
    pages?.close();
    await mesh?.close({ force: true });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Opens the page of a host in a browser of its own, and gives what it reports. */
  async function visit(host: string): Promise<Record<string, string>> {
    const browser = spawn(
      chromium as string,
      [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        `--user-data-dir=${join(folder, host)}`,
        `http://${host}:${pages.port}/?mesh=${encodeURIComponent(mesh.url)}`,
      ],
      { stdio: "ignore", timeout: browserTimeoutMs, killSignal: "SIGKILL" },
    );
    const ended = once(browser, "exit");
    try {
      const early = ended.then(() => {
        throw new Error("Chromium ended before its page was done");
      });
      return await Promise.race([pages.reported(), early]);
    } finally {
      browser.kill("SIGKILL");
      await ended;
    }
  }

  it("calls by Connect, gRPC-Web and REST, and sees what it was refused", async () => {
    assert.deepEqual(await visit("127.0.0.1"), {
      "connect unary": "hello hello hello",
      "connect stream": "0 1 2",
      "connect error": "NotFound: nothing there",
      "connect without token": "Unauthenticated: A bearer token is required",
      "grpc-web unary": "hello hello hello",
      "grpc-web stream": "0 1 2",
      "grpc-web error": "NotFound: nothing there",
      "grpc-web without token": "Unauthenticated: A bearer token is required",
      "connect by GET": "cached",
      rest: "ok true",
    });
  });

  it("is kept from it where its origin is not allowed", async () => {
    const { rest, ...rpcs } = await visit("localhost");
    assert.deepEqual([...new Set(Object.values(rpcs))], ["blocked"]);
    assert.match(rest ?? "", /Failed to fetch/);
  });
});
