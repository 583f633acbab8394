import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { all, Cleanup, deferred, each, failure } from "./grpc-checks.ts";
import { open, serve } from "./grpc-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("the gRPC wire", () => {
  it("carries all four kinds of calls", async () => {
    const { origin, outcomes } = await serve(cleanup);
    const { client } = open(cleanup, origin);
    assert.equal((await client.echo({ text: "one" })).text, "one");
    const indexes = (await all(client.expand({ text: "x", count: 3 }))).map(({ index }) => index);
    assert.deepEqual(indexes, [0, 1, 2]);
    const collected = await client.collect(each({ text: "a" }, { text: "b" }));
    assert.deepEqual([collected.text, collected.index], ["a,b", 2]);
    const chat = await all(client.chat(each({ text: "p" }, { text: "q" })));
    assert.deepEqual(
      chat.map(({ text }) => text),
      ["p", "q"],
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["ok", "ok", "ok", "ok"],
    );
  });

  it("responds to each message of a two-way stream before the next one is sent", async () => {
    const { origin } = await serve(cleanup);
    const { client } = open(cleanup, origin);
    const turns = [deferred(), deferred()];
    async function* requests() {
      yield { text: "first" };
      await turns[0]!.promise;
      yield { text: "second" };
      await turns[1]!.promise;
    }
    const seen: string[] = [];
    for await (const { text, index } of client.chat(requests())) {
      seen.push(text);
      turns[index]!.resolve();
    }
    assert.deepEqual(seen, ["first", "second"]);
  });

  it("hides what a handler threw that is no RPC error", async () => {
    const { origin } = await serve(cleanup, {
      service: {
        echo() {
          throw new Error("the password is swordfish");
        },
      },
    });
    const error = await failure(open(cleanup, origin).client.echo({ text: "" }));
    assert.equal(error.code, Code.Internal);
    assert.doesNotMatch(error.rawMessage, /swordfish/);
  });

  it("hands out the messages before an error at the end of a stream", async () => {
    const { origin } = await serve(cleanup, {
      service: {
        async *expand() {
          yield { text: "one" };
          throw new ConnectError("enough", Code.Aborted);
        },
      },
    });
    const seen: string[] = [];
    const { client } = open(cleanup, origin);
    const reading = (async () => {
      for await (const { text } of client.expand({ text: "" })) seen.push(text);
    })();
    const error = await failure(reading);
    assert.deepEqual(seen, ["one"]);
    assert.equal(error.code, Code.Aborted);
  });

  for (const compression of ["gzip", "br"] as const) {
    it(`compresses with ${compression} both ways`, async () => {
      let encoding: string | null | undefined;
      const { origin } = await serve(cleanup, {
        service: {
          echo(request, context) {
            encoding = context.requestHeader.get("grpc-encoding");
            return { text: request.text, payload: request.payload };
          },
        },
      });
      const { client } = open(cleanup, origin, { sendCompression: compression, compressMinBytes: 0 });
      let answered: string | null | undefined;
      // Beyond what is compressed at once on this thread, so that both ways of doing it are used.
      for (const bytes of [10, 100_000]) {
        const payload = new Uint8Array(bytes).fill(7);
        const response = await client.echo(
          { text: "small", payload },
          { onHeader: (headers) => (answered = headers.get("grpc-encoding")) },
        );
        assert.deepEqual(response.payload, payload);
      }
      assert.equal(encoding, compression);
      assert.equal(answered, compression);
    });
  }

  it("carries a message of 3 MiB, and refuses one beyond the limit on the side that meets it first", async () => {
    const { origin } = await serve(cleanup);
    const { client } = open(cleanup, origin);
    const payload = new Uint8Array(3 * 1024 * 1024).map((_, index) => index);
    assert.deepEqual((await client.echo({ text: "", payload })).payload, payload);

    const tooLarge = new Uint8Array(5 * 1024 * 1024);
    const own = await failure(client.echo({ text: "", payload: tooLarge }));
    assert.equal(own.code, Code.ResourceExhausted);
    const generous = open(cleanup, origin, { maxSendBytes: 8 * 1024 * 1024 });
    const theirs = await failure(generous.client.echo({ text: "", payload: tooLarge }));
    assert.equal(theirs.code, Code.ResourceExhausted);
    const strict = open(cleanup, origin, { maxMessageBytes: 1024, maxSendBytes: 1024 * 1024 });
    const received = await failure(strict.client.echo({ text: "", payload: new Uint8Array(2048) }));
    assert.equal(received.code, Code.ResourceExhausted);
    assert.equal((await strict.client.echo({ text: "still there" })).text, "still there");
  });

  it("speaks JSON as well", async () => {
    const { origin } = await serve(cleanup);
    const { client } = open(cleanup, origin, { useBinaryFormat: false });
    assert.equal((await client.echo({ text: "json" })).text, "json");
  });
});
