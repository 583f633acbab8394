import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import type { RpcDispatcher } from "../../src/rpc/server/dispatcher.ts";
import { EchoRequestSchema, type EchoResponse, EchoResponseSchema } from "../gen/test/v1/echo_pb.ts";
import { someConnection } from "./echo.ts";

/** A dialect as it stands on the wire. */
export interface Dialect {
  readonly name: string;
  readonly contentType: string;
  readonly timeout: (ms: number) => readonly [string, string];
  readonly enveloped: boolean;
}

const grpcTimeout = (ms: number) => ["grpc-timeout", `${ms}m`] as const;
const connectTimeout = (ms: number) => ["connect-timeout-ms", String(ms)] as const;

export const grpc: Dialect = {
  name: "gRPC",
  contentType: "application/grpc+proto",
  timeout: grpcTimeout,
  enveloped: true,
};
export const grpcWeb: Dialect = {
  name: "gRPC-Web",
  contentType: "application/grpc-web+proto",
  timeout: grpcTimeout,
  enveloped: true,
};
export const connectUnary: Dialect = {
  name: "Connect",
  contentType: "application/proto",
  timeout: connectTimeout,
  enveloped: false,
};
export const connectStream: Dialect = {
  name: "Connect streaming",
  contentType: "application/connect+proto",
  timeout: connectTimeout,
  enveloped: true,
};

/** What {@link rawCall} sends. */
export interface RawRequest {
  readonly dialect: Dialect;
  readonly method: string;
  readonly message?: MessageInitShape<typeof EchoRequestSchema>;
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Told when the body is read. */
  readonly onRead?: () => void;
}

const never = new AbortController().signal;

/** Sends one request to a dispatcher, as a listener would. */
export function rawCall(dispatcher: RpcDispatcher, request: RawRequest): Promise<UniversalServerResponse> {
  const { dialect, method } = request;
  const path = `/datapunk.mesh.test.v1.EchoService/${method}`;
  const header = new Headers({ "content-type": dialect.contentType, ...request.headers });
  if (request.timeoutMs !== undefined) header.set(...dialect.timeout(request.timeoutMs));
  const bytes = toBinary(EchoRequestSchema, create(EchoRequestSchema, request.message));
  async function* body(): AsyncGenerator<Uint8Array> {
    request.onRead?.();
    yield dialect.enveloped ? encodeEnvelope(0, bytes) : bytes;
  }
  const handler = dispatcher.find(path) ?? dispatcher.unknown;
  return handler(
    {
      httpVersion: "2",
      method: "POST",
      url: `https://echo.test${path}`,
      header,
      body: body(),
      signal: request.signal ?? never,
    },
    someConnection,
  );
}

/** What a response says at its end, whatever the dialect; `code` is the wire's own: a number, or Connect's name. */
export interface RawEnd {
  readonly code: string;
  readonly message: string;
  readonly metadata: Headers;
  readonly responses: readonly EchoResponse[];
}

/** Reads a response to its end. */
export async function readRaw(dialect: Dialect, response: UniversalServerResponse): Promise<RawEnd> {
  const responses: EchoResponse[] = [];
  const header = new Headers(response.header);
  let end: RawEnd | undefined;
  for await (const chunk of response.body ?? []) {
    const flags = dialect.enveloped ? (chunk[0] as number) : 0;
    const payload = dialect.enveloped ? chunk.subarray(5) : chunk;
    if (dialect === grpcWeb && flags === 0x80) {
      const lines = new TextDecoder().decode(payload).trim().split("\r\n");
      end = grpcEnd(new Headers(lines.map((line) => line.split(": ", 2) as [string, string])), responses);
    } else if (dialect === connectStream && flags === 2) {
      end = connectEnd(JSON.parse(new TextDecoder().decode(payload)), responses);
    } else if (dialect === connectUnary && response.status !== 200) {
      end = connectEnd({ error: JSON.parse(new TextDecoder().decode(payload)) }, responses, header);
    } else {
      responses.push(fromBinary(EchoResponseSchema, payload));
    }
  }
  if (dialect === grpc) return grpcEnd(new Headers(response.trailer), responses);
  if (end !== undefined) return end;
  // Trailers-only gRPC-Web, and Connect's unary successes.
  return dialect === grpcWeb
    ? grpcEnd(header, responses)
    : { code: "ok", message: "", metadata: header, responses };
}

const numbers: Readonly<Record<string, string>> = {
  "0": "ok",
  "1": "canceled",
  "3": "invalid_argument",
  "4": "deadline_exceeded",
  "5": "not_found",
  "8": "resource_exhausted",
  "12": "unimplemented",
  "13": "internal",
  "14": "unavailable",
  "16": "unauthenticated",
};

function grpcEnd(metadata: Headers, responses: readonly EchoResponse[]): RawEnd {
  const status = metadata.get("grpc-status") ?? "none";
  const message = decodeURIComponent(metadata.get("grpc-message") ?? "");
  return { code: numbers[status] ?? status, message, metadata, responses };
}

interface ConnectEnd {
  readonly error?: { readonly code: string; readonly message?: string };
  readonly metadata?: Readonly<Record<string, readonly string[]>>;
}

function connectEnd(end: ConnectEnd, responses: readonly EchoResponse[], header?: Headers): RawEnd {
  const metadata = new Headers(header);
  for (const [name, values] of Object.entries(end.metadata ?? {})) metadata.set(name, values.join(", "));
  return { code: end.error?.code ?? "ok", message: end.error?.message ?? "", metadata, responses };
}
