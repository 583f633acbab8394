/** What a page does in a browser: it calls a mesh of another origin, and reports to its own what came of it. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";

// The library is written for runtimes, whose types know no pages.
const { location } = globalThis as unknown as { location: { href: string } };
const mesh = new URL(location.href).searchParams.get("mesh") ?? "";
const headers = { authorization: "Bearer token", "x-tenant": "blue" };

function clientOf(protocol: "connect" | "grpc-web", useHttpGet: boolean) {
  const { transport } = createFetchRpcTransport({
    fetch: (url, init) => fetch(url, init),
    options: { origin: mesh, protocol, useHttpGet },
  });
  return createClient(EchoService, transport);
}

async function attempt(task: () => Promise<string>): Promise<string> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof ConnectError)) return String(error);
    // What a browser blocks says no more than this.
    return error.message.includes("Failed to fetch") ? "blocked" : `${Code[error.code]}: ${error.rawMessage}`;
  }
}

async function callAll(): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const protocol of ["connect", "grpc-web"] as const) {
    const client = clientOf(protocol, false);
    seen[`${protocol} unary`] = await attempt(async () => {
      const metadata: string[] = [];
      const response = await client.echo(
        { text: "hello" },
        {
          headers,
          timeoutMs: 10_000,
          onHeader: (header) => metadata.push(header.get("x-echo-header") ?? "no header"),
          onTrailer: (trailer) => metadata.push(trailer.get("x-echo-trailer") ?? "no trailer"),
        },
      );
      return [response.text, ...metadata].join(" ");
    });
    seen[`${protocol} stream`] = await attempt(async () => {
      const texts: string[] = [];
      for await (const { index } of client.expand({ text: "a", count: 3 }, { headers }))
        texts.push(`${index}`);
      return texts.join(" ");
    });
    seen[`${protocol} error`] = await attempt(async () => {
      return (await client.echo({ text: "nothing there", fail: Code.NotFound }, { headers })).text;
    });
    seen[`${protocol} without token`] = await attempt(async () => (await client.echo({ text: "a" })).text);
  }
  seen["connect by GET"] = await attempt(
    async () => (await clientOf("connect", true).get({ text: "cached" }, { headers })).text,
  );
  seen.rest = await attempt(async () => {
    const response = await fetch(`${mesh}/text`, { headers });
    return `${await response.text()} ${response.headers.has("x-request-id")}`;
  });
  return seen;
}

const seen = await callAll();
await fetch("/report", { method: "POST", body: JSON.stringify(seen) });
