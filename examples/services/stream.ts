/*
 * The Stream, on Bun: carries events from publishers to the followers of a topic.
 *
 * Shows gRPC of three kinds (unary, client stream, server stream) and Connect on one port over mTLS, without
 * a line for either protocol; who published is read from the certificate, not from the message; a
 * follower that goes away or is too slow costs nothing.
 */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { createMesh, meshCall } from "@datapunk/mesh";
import { type Event, StreamService } from "../gen/datapunk/stream/v1/stream_pb.ts";
import { announce, setting, spiffeId, tlsIdentity } from "./settings.ts";
import { FellBehindError, TopicLog } from "./stream/topic-log.ts";

const eventsKept = 10_000;
const topicsKept = 100;
const mayCall = new Set([spiffeId("gateway"), spiffeId("lake"), spiffeId("operator")]);

const mesh = createMesh({
  service: "stream",
  tls: tlsIdentity(),
  server: {
    auth: { required: true, authorize: (principal) => mayCall.has(principal?.id ?? "") },
    rateLimit: false,
    // How long a follower stays; then it may come again.
    timeoutMs: 3_600_000,
  },
});

const topics = new Map<string, TopicLog>();

function topic(name: string): TopicLog {
  const known = topics.get(name);
  if (known !== undefined) return known;
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(name)) {
    throw new ConnectError(
      `Cannot use topic "${name}": use lower-case letters, digits, dots, hyphens`,
      Code.InvalidArgument,
    );
  }
  if (topics.size >= topicsKept)
    throw new ConnectError(`There are ${topicsKept} topics already`, Code.ResourceExhausted);
  const created = new TopicLog(name, eventsKept);
  topics.set(name, created);
  return created;
}

function publish(
  event: Event | undefined,
  context: HandlerContext,
): { sequence: bigint; duplicate: boolean } {
  if (event === undefined || event.id === "")
    throw new ConnectError("Cannot publish: the event has no id", Code.InvalidArgument);
  const source = context.values.get(meshCall)?.principal?.id ?? "";
  return topic(event.topic).publish({ ...event, source });
}

const server = await mesh.serve({
  hostname: "127.0.0.1",
  port: Number(setting("PORT")),
  app: mesh.app({ expose: { metrics: "authenticated" } }),
  closeOnSignals: true,
  // Followers never finish by themselves: they get this long, then they are sent elsewhere.
  drain: { timeoutMs: 3_000 },
  routes(router) {
    router.service(StreamService, {
      publish: ({ event }, context) => publish(event, context),
      async publishMany(requests, context) {
        let accepted = 0n;
        let duplicates = 0n;
        for await (const { event } of requests) {
          if (publish(event, context).duplicate) duplicates++;
          else accepted++;
        }
        return { accepted, duplicates };
      },
      async *subscribe({ topic: name, afterSequence, untilCurrent }, { signal }) {
        try {
          for await (const event of topic(name).follow(afterSequence, signal, untilCurrent)) yield { event };
        } catch (error) {
          throw error instanceof FellBehindError ? new ConnectError(error.message, Code.DataLoss) : error;
        }
      },
      listTopics: () => ({
        topics: [...topics.values()].map(({ name, published, followers }) => ({
          name,
          events: published,
          subscribers: followers,
        })),
      }),
    });
  },
});
announce(server);
