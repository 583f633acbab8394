import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { addHeaders, errorFromProto, headersToProto } from "./convert.ts";
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  type ConformanceService,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

function infoOf<D extends DescMessage>(
  context: HandlerContext,
  desc: D,
  requests: readonly MessageShape<D>[],
): ConformancePayload_RequestInfo {
  const timeoutMs = context.timeoutMs();
  const info = create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: headersToProto(context.requestHeader),
    requests: requests.map((request) => anyPack(desc, request)),
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.round(timeoutMs)) }),
  });
  if (context.requestMethod === "GET") {
    const queryParams = [...new URL(context.url).searchParams].map(([name, value]) =>
      create(HeaderSchema, { name, value: [value] }),
    );
    info.connectGetInfo = {
      $typeName: "connectrpc.conformance.v1.ConformancePayload.ConnectGetInfo",
      queryParams,
    };
  }
  return info;
}

function payload(data: Uint8Array, requestInfo?: ConformancePayload_RequestInfo): ConformancePayload {
  return create(ConformancePayloadSchema, requestInfo === undefined ? { data } : { data, requestInfo });
}

async function respondOnce(
  context: HandlerContext,
  definition: UnaryResponseDefinition | undefined,
  info: ConformancePayload_RequestInfo,
): Promise<{ payload: ConformancePayload }> {
  addHeaders(context.responseHeader, definition?.responseHeaders ?? []);
  addHeaders(context.responseTrailer, definition?.responseTrailers ?? []);
  if (definition !== undefined && definition.responseDelayMs > 0) await sleep(definition.responseDelayMs);
  const response = definition?.response;
  if (response?.case === "error") {
    throw errorFromProto(response.value, { desc: ConformancePayload_RequestInfoSchema, value: info });
  }
  return { payload: payload(response?.value ?? new Uint8Array(0), info) };
}

/** Throws the error that a stream is to end with; before any response it carries what was seen of the request. */
function endStream(
  definition: StreamResponseDefinition | undefined,
  sent: number,
  info: () => ConformancePayload_RequestInfo,
): void {
  if (definition?.error === undefined) return;
  if (sent > 0) throw errorFromProto(definition.error);
  throw errorFromProto(definition.error, { desc: ConformancePayload_RequestInfoSchema, value: info() });
}

function beginStream(context: HandlerContext, definition: StreamResponseDefinition | undefined): void {
  addHeaders(context.responseHeader, definition?.responseHeaders ?? []);
  addHeaders(context.responseTrailer, definition?.responseTrailers ?? []);
}

/** The service that the suite's reference client calls. */
export const conformanceService: Partial<ServiceImpl<typeof ConformanceService>> = {
  unary(request, context) {
    return respondOnce(context, request.responseDefinition, infoOf(context, UnaryRequestSchema, [request]));
  },

  idempotentUnary(request, context) {
    const info = infoOf(context, IdempotentUnaryRequestSchema, [request]);
    return respondOnce(context, request.responseDefinition, info);
  },

  async clientStream(requests, context) {
    const all = [];
    for await (const request of requests) all.push(request);
    const info = infoOf(context, ClientStreamRequestSchema, all);
    return respondOnce(context, all[0]?.responseDefinition, info);
  },

  async *serverStream(request, context) {
    const definition = request.responseDefinition;
    const info = infoOf(context, ServerStreamRequestSchema, [request]);
    beginStream(context, definition);
    let sent = 0;
    for (const data of definition?.responseData ?? []) {
      await sleep(definition?.responseDelayMs ?? 0);
      yield { payload: payload(data, sent++ === 0 ? info : undefined) };
    }
    endStream(definition, sent, () => info);
  },

  async *bidiStream(requests, context) {
    let definition: StreamResponseDefinition | undefined;
    let fullDuplex = false;
    let sent = 0;
    let first = true;
    const seen: BidiStreamRequest[] = [];
    for await (const request of requests) {
      if (first) {
        first = false;
        definition = request.responseDefinition;
        fullDuplex = request.fullDuplex;
        beginStream(context, definition);
      }
      seen.push(request);
      if (!fullDuplex) continue;
      const data = definition?.responseData[sent];
      if (data === undefined) break;
      await sleep(definition?.responseDelayMs ?? 0);
      // The first one says all about the request, later ones only what came since.
      const info =
        sent === 0
          ? infoOf(context, BidiStreamRequestSchema, seen)
          : create(ConformancePayload_RequestInfoSchema, {
              requests: seen.map((each) => anyPack(BidiStreamRequestSchema, each)),
            });
      seen.length = 0;
      sent++;
      yield { payload: payload(data, info) };
    }
    for (const data of definition?.responseData.slice(sent) ?? []) {
      await sleep(definition?.responseDelayMs ?? 0);
      const info = sent++ === 0 ? infoOf(context, BidiStreamRequestSchema, seen) : undefined;
      yield { payload: payload(data, info) };
    }
    endStream(definition, sent, () => infoOf(context, BidiStreamRequestSchema, seen));
  },
};
