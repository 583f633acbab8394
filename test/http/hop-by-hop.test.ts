import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bodyOf, lakeOf } from "../rest/lake.ts";

/** What no proxy may pass on, and what must get through. */
const given: Readonly<Record<string, string>> = {
  connection: "keep-alive, X-Private, close",
  "keep-alive": "timeout=5",
  "proxy-authenticate": "Basic",
  "proxy-authorization": "Basic x",
  "proxy-connection": "keep-alive",
  te: "trailers",
  trailer: "x-checksum",
  "transfer-encoding": "chunked",
  upgrade: "websocket",
  "x-private": "for this connection",
  "x-public": "for everybody",
};
const passed = ["x-public"];

function namesOf(headers: Iterable<readonly [string, string]>): string[] {
  return [...headers].map(([name]) => name).filter((name) => name in given);
}

/** A response whose header fields a platform's own `Headers` would perhaps not take. */
function withHeaders(fields: Readonly<Record<string, string>>, body = "ok"): Response {
  const response = new Response(bodyOf([body]));
  Object.defineProperty(response, "headers", { value: new Map(Object.entries(fields)) });
  const headers = response.headers as unknown as Map<string, string>;
  const get = headers.get.bind(headers);
  Object.defineProperty(headers, "get", { value: (name: string) => get(name) ?? null });
  return response;
}

describe("header fields of one connection", () => {
  it("do not pass through mesh.fetch, from the service", async () => {
    const { mesh } = lakeOf(() => withHeaders(given));
    const { headers } = await mesh.fetch("mesh://lake/");
    assert.deepEqual(namesOf(headers), passed);
  });

  it("do not reach who calls by REST", async () => {
    const { lake } = lakeOf(() => withHeaders(given));
    const { headers } = await lake.get("x");
    assert.deepEqual(namesOf(headers), passed);
    for (const name in given) assert.equal(headers.get(name) !== null, passed.includes(name), name);
  });

  it("do not reach the service", async () => {
    const fields = { ...given };
    for (const send of [
      ({ mesh }: ReturnType<typeof lakeOf>) => mesh.fetch("mesh://lake/", { headers: fields }),
      ({ mesh }: ReturnType<typeof lakeOf>) =>
        mesh.fetch("mesh://lake/", { headers: Object.entries(fields) as never }),
      ({ lake }: ReturnType<typeof lakeOf>) => lake.get("x", { headers: fields }),
    ]) {
      const made = lakeOf(() => new Response("ok"));
      await send(made);
      assert.deepEqual(namesOf(made.requests[0]!.headers), passed);
    }
  });
});

describe("control characters in a service's header fields", () => {
  it("become spaces, so that the response can be passed on", async () => {
    const fields = { "x-note": "a\u0001b\u007fc\rd\te", "x-plain": "plain" };
    const { mesh, lake } = lakeOf(() => withHeaders(fields));
    const { headers } = await mesh.fetch("mesh://lake/");
    assert.equal(headers.get("x-note"), "a b c d\te");
    assert.equal(headers.get("x-plain"), "plain");
    assert.equal((await lake.get("x")).headers.get("x-note"), "a b c d\te");
  });
});

describe("the fields of a body that the platform has decoded", () => {
  for (const encoding of ["gzip", "x-gzip", "br", "gzip, br", "deflate,gzip", "GZIP"]) {
    it(`lose ${encoding} and the length`, async () => {
      const { mesh } = lakeOf(
        () =>
          new Response(bodyOf(["decoded text"]), {
            headers: { "content-encoding": encoding, "content-length": "5" },
          }),
      );
      const response = await mesh.fetch("mesh://lake/");
      assert.equal(response.headers.get("content-encoding"), null);
      assert.equal(response.headers.get("content-length"), null);
      assert.equal(await response.text(), "decoded text");
    });
  }
});
