import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename } from "node:path";

/** A registry of npm that holds one package, as it will be published. */
export interface PackageRegistry {
  /** What `.npmrc` says so that the package comes from here, and everything else from where it came before. */
  readonly npmrc: string;
  close(): void;
}

/** Serves a packed package on a port of this machine. */
export async function servePackage(archive: string, manifest: object): Promise<PackageRegistry> {
  const bytes = readFileSync(archive);
  const { name, version } = manifest as { readonly name: string; readonly version: string };
  const server = createServer(({ url = "" }, response) => {
    if (url.endsWith(".tgz")) {
      response.end(bytes);
      return;
    }
    if (decodeURIComponent(url) !== `/${name}`) {
      response.writeHead(404).end("{}");
      return;
    }
    const tarball = `${origin}/${basename(archive)}`;
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    const shasum = createHash("sha1").update(bytes).digest("hex");
    const versions = { [version]: { ...manifest, dist: { tarball, integrity, shasum } } };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name, "dist-tags": { latest: version }, versions }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    npmrc: `${name.split("/", 1)[0]}:registry=${origin}/\n`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
