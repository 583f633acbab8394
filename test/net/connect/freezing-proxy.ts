import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Cleanup } from "../../rpc/client/grpc-checks.ts";

/** A way to a server on which connections can become half-open. */
export interface FreezingProxy {
  readonly origin: string;
  /** Connections it has taken. */
  readonly connections: number;
  /** From now on nothing passes on the connections that are there, as if every packet were dropped. New ones work. */
  freeze(): void;
}

/** Forwards connections to an origin on this machine. */
export async function freezingProxy(cleanup: Cleanup, to: string): Promise<FreezingProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  const server = createServer((client) => {
    connections++;
    const upstream = connect(Number(new URL(to).port), "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [from, into] of [pair, [upstream, client] as const]) {
      from.on("data", (bytes) => {
        if (pairs.has(pair)) into.write(bytes);
      });
      from.on("error", () => {});
      from.on("close", () => {
        if (pairs.has(pair)) into.destroy();
      });
    }
    cleanup.add(() => {
      client.destroy();
      upstream.destroy();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanup.add(() => server.close());
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    freeze: () => pairs.clear(),
  };
}
