import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Cleanup, failure } from "./grpc-checks.ts";

const root = resolve(import.meta.dirname, "../../..");
const program = "test/rpc/client/echo-process.ts";

describe("a server process that is killed", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Starts the server on this runtime; resolves when it listens. */
  async function start(port: number): Promise<{ process: ChildProcess; port: number }> {
    const args = "Deno" in globalThis ? ["run", "--allow-all", program] : [program];
    const child = spawn(process.execPath, [...args, String(port)], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanup.add(() => child.kill("SIGKILL"));
    const listening = new Promise<number>((listens, fails) => {
      let output = "";
      child.stdout.on("data", (chunk) => {
        output += chunk;
        const line = /^port (\d+)$/m.exec(output);
        if (line !== null) listens(Number(line[1]));
      });
      child.once("exit", (code) => fails(new Error(`The server ended with ${code}: ${output}`)));
    });
    return { process: child, port: await within(listening, "a server that listens") };
  }

  it("fails what is open as unavailable, and serves the next call when it is back", async () => {
    const { process: first, port } = await start(0);
    const resolver = staticResolver({ echo: [`http://127.0.0.1:${port}`] });
    const policies = { "*": { retry: false, breaker: false } } as const;
    const mesh = createMesh({ service: "caller", resolver, policies });
    cleanup.add(() => mesh.close());
    const protocols = ["grpc", "grpc-web", "connect"] as const;
    const clients = protocols.map((protocol) =>
      createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" })),
    );
    const open: Promise<unknown>[] = [];
    for (const client of clients) {
      const talk = (async function* () {
        yield { text: "first" };
        await new Promise(() => {});
      })();
      const streams = [client.expand({ text: "first" }), client.chat(talk)];
      open.push(client.echo({ text: "held" }));
      for (const stream of streams) {
        const iterator = stream[Symbol.asyncIterator]();
        assert.equal((await within(iterator.next(), "a message")).value?.text, "first");
        open.push(iterator.next());
      }
    }
    const errors = open.map((call) => failure(call));
    first.kill("SIGKILL");
    for (const error of await within(Promise.all(errors), "the end of the calls")) {
      assert.equal(error.code, Code.Unavailable, error.message);
    }
    await start(port);
    for (const client of clients) {
      assert.equal((await within(client.echo({ text: "next" }), "a response")).text, "next");
    }
  });
});
