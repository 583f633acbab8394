import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFetchDispatch } from "../../../src/rpc/server/fetch-dispatch.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle } from "../../support/virtual-clock.ts";
import { OpenPipeline, serveInProcess, someConnection } from "../echo.ts";

const path = "/datapunk.mesh.test.v1.EchoService";

function serve(options: Parameters<typeof serveInProcess>[0] = {}) {
  const { dispatcher, pipeline } = serveInProcess(options);
  const dispatch = createFetchDispatch(dispatcher);
  const send = (target: string, init: RequestInit = {}) =>
    dispatch(new Request(`https://echo.test${target}`, { method: "POST", ...init }), someConnection);
  return { send, pipeline };
}

describe("createFetchDispatch()", () => {
  it("serves a Connect call that curl could make", async () => {
    const { send } = serve();
    const response = await send(`${path}/Echo?ignored=1`, {
      headers: { "content-type": "application/json" },
      body: '{"text":"hello"}',
    });
    assert.equal(response?.status, 200);
    assert.equal(response?.headers.get("content-type"), "application/json");
    assert.deepEqual(await response?.json(), { text: "hello" });
  });

  it("serves calls without side effects as GET", async () => {
    const { send } = serve();
    const query = `?connect=v1&encoding=json&message=${encodeURIComponent('{"text":"cached"}')}`;
    const response = await send(`${path}/Get${query}`, { method: "GET" });
    assert.deepEqual(await response?.json(), { text: "cached" });
    assert.equal((await send(`${path}/Echo${query}`, { method: "GET" }))?.status, 405);
  });

  it("leaves to REST what is no RPC", () => {
    const { send, pipeline } = serve();
    for (const target of ["/", "/api/datasets", `${path}/Missing`, `${path}`]) {
      assert.equal(
        send(target, { headers: { "content-type": "application/json" }, body: "{}" }),
        undefined,
        target,
      );
      assert.equal(send(target, { method: "GET" }), undefined, target);
    }
    assert.equal(pipeline.calls.length, 0);
  });

  it("responds to an unknown method in a dialect that is nobody else's", async () => {
    const { send } = serve();
    const response = await send(`${path}/Missing`, {
      headers: { "content-type": "application/grpc-web+proto" },
      body: "",
    });
    assert.equal(response?.headers.get("grpc-status"), "12");
  });

  it("refuses native gRPC with 415 and says what to do", async () => {
    const { send } = serve();
    for (const contentType of ["application/grpc", "application/grpc+proto", "application/grpc+json"]) {
      for (const method of ["Echo", "Missing"]) {
        const response = await send(`${path}/${method}`, {
          headers: { "content-type": contentType },
          body: "",
        });
        assert.equal(response?.status, 415, contentType);
        assert.match((await response?.text()) ?? "", /no trailers; use Connect or gRPC-Web/);
        assert.match(response?.headers.get("accept-post") ?? "", /application\/connect\+proto/);
      }
    }
  });

  it("counts native gRPC that it cannot serve, without a label of the caller's making", async () => {
    const { send, pipeline } = serve();
    for (const method of ["Echo", "MadeUp"]) {
      await send(`${path}/${method}`, { headers: { "content-type": "application/grpc" }, body: "" });
    }
    assert.deepEqual(
      pipeline.calls.map((call) => [call.protocol, call.operation, call.outcome?.status]),
      [
        ["grpc", "datapunk.mesh.test.v1.EchoService/Echo", "invalid_argument"],
        ["grpc", "unknown", "invalid_argument"],
      ],
    );
  });

  it("responds to formats that no protocol knows with 415, after the layers", async () => {
    const { send, pipeline } = serve();
    const response = await send(`${path}/Echo`, { headers: { "content-type": "text/xml" }, body: "<a/>" });
    assert.equal(response?.status, 415);
    assert.equal(pipeline.call.outcome?.status, "invalid_argument");
  });

  it("refuses bidi over HTTP/1.1, where it would hang", async () => {
    const { dispatcher } = serveInProcess();
    const request = new Request(`https://echo.test${path}/Chat`, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
      body: "",
    });
    const response = await createFetchDispatch(dispatcher)(request, {
      ...someConnection,
      httpVersion: "1.1",
    });
    assert.equal(response?.status, 505);
  });

  it("responds to malformed JSON with the reason", async () => {
    const { send, pipeline } = serve();
    const response = await send(`${path}/Echo`, {
      headers: { "content-type": "application/json" },
      body: '{"text":',
    });
    assert.equal(response?.status, 400);
    assert.match((await response?.text()) ?? "", /^{"code":"invalid_argument"/);
    assert.equal(pipeline.call.outcome?.kind, "success");
  });

  it("hands the connection and the headers to pipeline", async () => {
    const pipeline = new OpenPipeline();
    const { send } = serve({ pipeline });
    await send(`${path}/Echo`, {
      headers: {
        "content-type": "application/json",
        authorization: "Bearer x",
        "connect-timeout-ms": "1500",
      },
      body: "{}",
    });
    const [inbound] = pipeline.requests;
    assert.equal(inbound?.connection, someConnection);
    assert.equal(inbound?.headers.get("authorization"), "Bearer x");
    assert.deepEqual(
      [inbound?.protocol, inbound?.operation, inbound?.timeoutMs],
      ["connect", "datapunk.mesh.test.v1.EchoService/Echo", 1500],
    );
  });

  it("sends a stream as it is made, and stops it when the reader goes", async () => {
    const noted: string[] = [];
    const { send, pipeline } = serve({
      routes: (router) =>
        router.service(EchoService, {
          async *expand() {
            try {
              for (let index = 0; ; index++) {
                noted.push(`made ${index}`);
                yield { index };
              }
            } finally {
              noted.push("stopped");
            }
          },
        }),
    });
    const response = await send(`${path}/Expand`, {
      headers: { "content-type": "application/connect+json" },
      body: new Uint8Array([0, 0, 0, 0, 2, 0x7b, 0x7d]),
    });
    const reader = response?.body?.getReader();
    await reader?.read();
    await settle();
    assert.ok(noted.length <= 3, `made ahead of the reader: ${noted.join()}`);
    await reader?.cancel();
    await settle();
    assert.equal(noted.at(-1), "stopped");
    assert.equal(pipeline.call.outcome?.kind, "cancelled");
  });
});
