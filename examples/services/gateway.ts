/*
 * The Nexus Gateway, on Node: the public face. Plain HTTP and a bearer token in front, mTLS behind.
 *
 * Shows one port for REST, gRPC, gRPC-Web and Connect; uploads and downloads passed on as streams; a REST
 * question served from a gRPC stream; server-sent events out of a subscription; and all that a
 * caller needs to live through the restart of a service: a retry policy, nothing in the handlers.
 */
import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { bodyLimit, createMesh, staticResolver, staticTokens } from "@datapunk/mesh";
import { LakeService, type QueryRowsResponse } from "../gen/datapunk/lake/v1/lake_pb.ts";
import { NexusService } from "../gen/datapunk/nexus/v1/nexus_pb.ts";
import {
  type Event,
  EventSchema,
  ListTopicsResponseSchema,
  PublishManyResponseSchema,
  StreamService,
} from "../gen/datapunk/stream/v1/stream_pb.ts";
import { linesOf, ndjsonResponse, sseResponse } from "./gateway/streams.ts";
import { announce, setting, tlsIdentity } from "./settings.ts";

const hourMs = 3_600_000;
/** Bodies of at most so many bytes are read before they are sent on, so that they can be sent again. */
const replayableBytes = 65_536;

const mesh = createMesh({
  service: "gateway",
  tls: tlsIdentity(),
  resolver: staticResolver({ lake: [setting("LAKE_URL")], stream: [setting("STREAM_URL")] }),
  policies: {
    // Five attempts over some seven seconds: longer than it takes to start a service again.
    "*": { retry: { maxAttempts: 5, backoff: (attempt, random) => attempt ** 2 * 200 + random() * 200 } },
  },
  server: {
    auth: { validate: staticTokens({ [setting("GATEWAY_TOKEN")]: "public" }) },
    rateLimit: { perMinute: 60_000, burst: 1_000 },
    // For those who follow events, and for uploads over slow lines.
    timeoutMs: hourMs,
  },
});

const lake = mesh.rest("lake");
const lakeRpc = createClient(LakeService, mesh.transport("lake"));
const streamRpc = createClient(StreamService, mesh.transport("stream"));
const streamConnect = createClient(StreamService, mesh.transport("stream", { protocol: "connect" }));

// For the tour and for curl; in production metrics get a port of their own: `serve({ admin: { port } })`.
const app = mesh.app({ expose: { metrics: true } });

app.get("/api/datasets", async (c) =>
  c.json(await lake.get("datasets", { operation: "GET /datasets" }).json()),
);

app.put("/api/datasets/:name", bodyLimit(Infinity), async (c) => {
  const small = Number(c.req.header("content-length") ?? Infinity) <= replayableBytes;
  const stored = await lake.put(pathOf(c.req.param("name")), {
    operation: "PUT /datasets/:name",
    headers: { "content-type": c.req.header("content-type") },
    body: small ? await c.req.arrayBuffer() : (c.req.raw.body ?? ""),
    timeoutMs: hourMs,
  });
  return c.json(await stored.json(), 201);
});

app.get("/api/datasets/:name", async (c) =>
  c.json(await lake.get(pathOf(c.req.param("name")), { operation: "GET /datasets/:name" }).json()),
);

app.get("/api/datasets/:name/content", async (c) => {
  const path = `${pathOf(c.req.param("name"))}/content`;
  const content = await lake.get(path, { operation: "GET /datasets/:name/content", timeoutMs: hourMs });
  return new Response(content.body, {
    headers: { "content-type": content.headers.get("content-type") ?? "" },
  });
});

app.get("/api/datasets/:name/rows", (c) => {
  const { column = "", equals = "", limit = "0" } = c.req.query();
  const request = { name: c.req.param("name"), column, equals, limit: wholeNumber("limit", limit) };
  return ndjsonResponse(valuesOf(lakeRpc.queryRows(request, { timeoutMs: hourMs })));
});

app.delete("/api/datasets/:name", async (c) => {
  await lake.delete(pathOf(c.req.param("name")), { operation: "DELETE /datasets/:name" });
  return c.body(null, 204);
});

app.get("/api/topics", async (c) =>
  c.json(toJson(ListTopicsResponseSchema, await streamConnect.listTopics({}))),
);

app.post("/api/events/:topic", bodyLimit(Infinity), async (c) => {
  const published = await streamRpc.publishMany(newEvents(c.req.param("topic"), c.req.raw.body));
  return c.json(toJson(PublishManyResponseSchema, published, { alwaysEmitImplicit: true }));
});

app.get("/api/events/:topic", (c) => {
  // A browser that lost the connection says what it saw last, and misses nothing.
  const after = BigInt(wholeNumber("Last-Event-ID", c.req.header("last-event-id") ?? "0"));
  const followed = follow(c.req.param("topic"), after, c.req.query("until") === "current", c.req.raw.signal);
  return sseResponse(followed, (event) => ({ id: `${event.sequence}`, data: toJson(EventSchema, event) }));
});

function pathOf(dataset: string): string {
  return `datasets/${encodeURIComponent(dataset)}`;
}

/** Follows a topic; when the Stream goes away, goes on where it was as soon as there is one again. */
async function* follow(
  topic: string,
  after: bigint,
  untilCurrent: boolean,
  signal: AbortSignal,
): AsyncGenerator<Event> {
  let afterSequence = after;
  while (!signal.aborted) {
    try {
      const request = { topic, afterSequence, untilCurrent };
      for await (const { event } of streamRpc.subscribe(request, { signal, timeoutMs: hourMs })) {
        if (event === undefined) continue;
        afterSequence = event.sequence;
        yield event;
      }
      if (untilCurrent) return;
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable) throw error;
    }
  }
}

async function* valuesOf(rows: AsyncIterable<QueryRowsResponse>): AsyncGenerator<Record<string, string>> {
  for await (const { values } of rows) yield values;
}

async function* newEvents(
  topic: string,
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<{ event: Event }> {
  let line = 0;
  for await (const text of linesOf(body)) {
    line++;
    let event: Event;
    try {
      event = fromJson(EventSchema, JSON.parse(text));
    } catch {
      throw new ConnectError(`Cannot publish: line ${line} is no event`, Code.InvalidArgument);
    }
    event.topic = topic;
    yield { event };
  }
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ConnectError(`${name} is "${text}"; pass a whole number below a billion`, Code.InvalidArgument);
}

const server = await mesh.serve({
  app,
  hostname: "127.0.0.1",
  port: Number(setting("PORT")),
  // The public side shows no certificate and wants none; in production, TLS of the public kind ends here.
  tls: false,
  closeOnSignals: true,
  drain: { timeoutMs: 3_000 },
  routes(router) {
    router.service(NexusService, {
      listDatasets: async () => ({ datasets: (await lakeRpc.listDatasets({})).datasets }),
      async *followEvents({ topic, untilCurrent }, { signal }) {
        for await (const event of follow(topic, 0n, untilCurrent, signal)) yield { event };
      },
    });
  },
});
announce(server);
