import type { Protocol } from "../../core/call.ts";
import type { HeaderSource } from "../../core/headers.ts";

/** How a request speaks, as its HTTP method and content type tell. */
export interface RpcDialect {
  readonly protocol: Extract<Protocol, "grpc" | "grpc-web" | "connect">;
  /** Whether messages travel in envelopes; only Connect's unary calls (and GET) do without. */
  readonly enveloped: boolean;
  readonly json: boolean;
}

const grpc: RpcDialect = { protocol: "grpc", enveloped: true, json: false };
const grpcWeb: RpcDialect = { protocol: "grpc-web", enveloped: true, json: false };
const connectStreamJson: RpcDialect = { protocol: "connect", enveloped: true, json: true };
const connectUnary: RpcDialect = { protocol: "connect", enveloped: false, json: true };

/** A map, because an object also has inherited names, such as `constructor`, and clients choose the key. */
const wires: ReadonlyMap<string, RpcDialect> = new Map([
  ["application/grpc", grpc],
  ["application/grpc+proto", grpc],
  ["application/grpc+json", { protocol: "grpc", enveloped: true, json: true }],
  ["application/grpc-web", grpcWeb],
  ["application/grpc-web+proto", grpcWeb],
  ["application/grpc-web+json", { protocol: "grpc-web", enveloped: true, json: true }],
  ["application/connect+proto", { protocol: "connect", enveloped: true, json: false }],
  ["application/connect+json", connectStreamJson],
  ["application/proto", { protocol: "connect", enveloped: false, json: false }],
  ["application/json", connectUnary],
]);

/** Reads the dialect; what is none of ours counts as Connect, the protocol whose errors any HTTP client can read. */
export function dialectOf(contentType: string | null | undefined): RpcDialect {
  if (contentType === null || contentType === undefined) return connectUnary;
  const known = wires.get(contentType);
  if (known !== undefined) return known;
  const type = (contentType.split(";", 1)[0] as string).trim().toLowerCase();
  return wires.get(type) ?? foreign(type);
}

/** How a request is told apart from others of its dialect. */
export interface RequestDialect {
  readonly method: string;
  readonly url: string;
  readonly header: HeaderSource;
}

/** Whether the messages of a request are compressed, or may be. */
export function isCompressed({ method, url, header }: RequestDialect, wire: RpcDialect): boolean {
  if (method === "GET") return compressedQuery.test(url);
  const encoding = header.get(
    wire.protocol !== "connect"
      ? "grpc-encoding"
      : wire.enveloped
        ? "connect-content-encoding"
        : "content-encoding",
  );
  return encoding !== null && encoding !== undefined && encoding !== "identity";
}

const compressedQuery = /[?&]compression=(?!identity(?:&|$)|&|$)/;

/**
 * Whether only an RPC can have this content type, so that a path which nobody serves is a lost RPC and no REST
 * request: Connect's unary calls look like REST, all other dialects do not.
 */
export function isRpcOnly(contentType: string | null | undefined): boolean {
  return (
    contentType !== null &&
    contentType !== undefined &&
    (contentType.startsWith("application/grpc") || contentType.startsWith("application/connect+"))
  );
}

/** What Connect's clients send with their unary calls, which look like REST otherwise. */
export const connectVersionHeader = "connect-protocol-version";

/** Whether a unary call of Connect can have this content type. */
export function isConnectUnary(contentType: string): boolean {
  return contentType.startsWith("application/json") || contentType.startsWith("application/proto");
}

/** Formats nobody serves (`application/grpc+thrift`) must still be refused in the dialect they are written in. */
function foreign(type: string): RpcDialect {
  if (type.startsWith("application/grpc-web")) return grpcWeb;
  if (type.startsWith("application/grpc")) return grpc;
  if (type.startsWith("application/connect+")) return connectStreamJson;
  return connectUnary;
}
