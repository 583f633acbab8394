import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { Hono } from "hono";
import type { MeshEnv } from "../../../mod.ts";
import { type Payload, PayloadSchema, TestService } from "../../gen/test/grpc/testing/test_pb.ts";

/** Bytes that tell each place from its neighbours, so that nothing can be lost, repeated or swapped unnoticed. */
export function pattern(size: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index++) bytes[index] = (index * 31 + (index >> 8) * 7 + seed) & 255;
  return bytes;
}

/** What `/digest` says of a body. */
export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** The digest of these bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** What `/events` sends. */
export const events: readonly string[] = Array.from({ length: 5 }, (_, index) => `data: event ${index}\n\n`);

/** The tag of `/tagged`. */
export const tag = '"one"';

const octets = { "content-type": "application/octet-stream" };

function inPieces(pieces: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.iterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // A turn of the loop between the pieces, so that they leave one by one.
      await new Promise((resolve) => setTimeout(resolve, 0));
      const { done, value } = iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

function* slices(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** Adds every shape of a REST exchange to an app. */
export function addProxiedRoutes(app: Hono<MeshEnv>): void {
  app.get("/bytes/:size", (c) => {
    const bytes = pattern(Number(c.req.param("size"))) as Uint8Array<ArrayBuffer>;
    return new Response(bytes, { headers: { ...octets, "content-length": String(bytes.length) } });
  });
  app.get("/stream/:size", (c) => {
    const bytes = pattern(Number(c.req.param("size")));
    return new Response(inPieces(slices(bytes, 10_000)), { headers: octets });
  });
  app.get("/events", () => {
    const encoder = new TextEncoder();
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
    return new Response(inPieces(events.map((event) => encoder.encode(event))), { headers });
  });
  app.get("/tagged", (c) =>
    c.req.header("if-none-match") === tag
      ? c.body(null, 304, { etag: tag })
      : c.text("the representation", 200, { etag: tag }),
  );
  app.post("/echo", async (c) => c.json(await c.req.json()));
  app.delete("/nothing", (c) => c.body(null, 204));
  app.post("/digest", async (c) => {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of c.req.raw.body ?? []) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    return c.json({ bytes, sha256: hash.digest("hex") } satisfies Digest);
  });
}

function payloadOf(size: number, seed: number): Payload {
  return create(PayloadSchema, { body: pattern(size, seed) });
}

/** gRPC's test service, whose messages have contents that can be compared. */
export function proxiedRoutes(router: ConnectRouter): void {
  router.service(TestService, {
    emptyCall: () => ({}),
    unaryCall({ responseSize, responseStatus, payload }, context) {
      const first = payload?.body[0] ?? 0;
      context.responseHeader.set("x-first", String(first));
      if (responseStatus !== undefined && responseStatus.code !== 0) {
        throw new ConnectError(responseStatus.message, responseStatus.code as Code, { "x-last": "error" });
      }
      context.responseTrailer.set("x-last", String(payload?.body.at(-1) ?? 0));
      return { payload: payloadOf(responseSize, first) };
    },
    async *streamingOutputCall({ responseParameters, responseStatus }) {
      for (const [index, { size }] of responseParameters.entries()) yield { payload: payloadOf(size, index) };
      if (responseStatus !== undefined && responseStatus.code !== 0) {
        throw new ConnectError(responseStatus.message, responseStatus.code as Code);
      }
    },
    async streamingInputCall(requests) {
      let sum = 0;
      let index = 0;
      for await (const { payload } of requests) {
        const body = payload?.body ?? new Uint8Array(0);
        if (Buffer.compare(body, pattern(body.length, index++)) !== 0) {
          throw new ConnectError(`message ${index} came changed`, Code.DataLoss);
        }
        sum += body.length;
      }
      return { aggregatedPayloadSize: sum };
    },
    async *fullDuplexCall(requests) {
      for await (const { payload } of requests) yield payload === undefined ? {} : { payload };
    },
  });
}
