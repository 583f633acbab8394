import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFetchDispatch } from "../../../src/rpc/server/fetch-dispatch.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { serveInProcess, someConnection } from "../echo.ts";

const service = EchoService.typeName;
const json = { "content-type": "application/json" };

describe("A request by hand that is no RPC", () => {
  const serve = createFetchDispatch(serveInProcess().dispatcher);

  async function refusal(name: string, init: RequestInit): Promise<[number, string, Headers]> {
    const response = await serve(new Request(`http://echo/${service}/${name}`, init), someConnection);
    assert.equal(response?.headers.get("content-type"), "text/plain; charset=utf-8");
    return [response.status, (await response.text()).trimEnd(), response.headers];
  }

  it("is told which content types the method takes", async () => {
    const init = { method: "POST", body: "{}", headers: { "content-type": "text/csv" } };
    const [status, message, headers] = await refusal("Echo", init);
    assert.equal(status, 415);
    assert.equal(
      message,
      `Cannot call ${service}/Echo with content-type "text/csv": send application/json or application/proto, or a type of gRPC-Web or gRPC`,
    );
    assert.equal(headers.get("accept-post"), "application/json, application/proto");
  });

  it("is told so for a stream, which takes others, and without a content type", async () => {
    const [status, message] = await refusal("Expand", { method: "POST", body: "{}", headers: json });
    assert.equal(status, 415);
    assert.match(message, /with content-type "application\/json": send application\/connect\+json or/);
    const [, without] = await refusal("Echo", { method: "POST" });
    assert.match(without, /^Cannot call \S+ without a content-type: send application\/json/);
  });

  it("is told which HTTP method to use", async () => {
    const [status, message, headers] = await refusal("Echo", { method: "GET" });
    assert.deepEqual([status, headers.get("allow")], [405, "POST"]);
    assert.match(message, /^Cannot call \S+\/Echo by GET: send a POST with content-type application\/json/);
    const [, , both] = await refusal("Get", { method: "PUT", body: "{}", headers: json });
    assert.equal(both.get("allow"), "GET, POST");
  });

  it("quotes no more of the request than it must", async () => {
    const type = `text/${"x".repeat(5_000)}`;
    const [, message] = await refusal("Echo", { method: "POST", headers: { "content-type": type } });
    assert.ok(message.length < 400, `${message.length} characters`);
  });
});

describe("An RPC that nobody serves", () => {
  const serve = createFetchDispatch(serveInProcess().dispatcher);

  async function messageOf(path: string, headers: Record<string, string>): Promise<string | undefined> {
    const request = new Request(`http://echo/${path}`, { method: "POST", body: "{}", headers });
    const response = await serve(request, someConnection);
    if (response === undefined) return undefined;
    assert.equal(response.status, 404);
    return ((await response.json()) as { message: string }).message;
  }

  it("is told whether the service or only its method is missing", async () => {
    const headers = { ...json, "connect-protocol-version": "1" };
    assert.equal(
      await messageOf(`${service}/Nope`, headers),
      `Cannot call "${service}/Nope": ${service} has no method "Nope" here`,
    );
    assert.equal(
      await messageOf("other.Service/Nope", headers),
      'Cannot call "other.Service/Nope": the service "other.Service" is not served here',
    );
  });

  it("is left to REST where nothing says that it is one", async () => {
    assert.equal(await messageOf(`${service}/Nope`, json), undefined);
  });
});
