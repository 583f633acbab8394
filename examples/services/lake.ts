/*
 * The Lake, on Deno: keeps datasets on disk and serves queries on their rows.
 *
 * Shows REST and gRPC on one port over mTLS, uploads and downloads as streams, a gRPC server stream,
 * access by certificate, and a call to another service on behalf of the one being served: it inherits
 * its deadline and its trace without being told.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { bodyLimit, createMesh, staticResolver } from "@datapunk/mesh";
import { type DatasetSchema, LakeService } from "../gen/datapunk/lake/v1/lake_pb.ts";
import { StreamService } from "../gen/datapunk/stream/v1/stream_pb.ts";
import { type DatasetInfo, DatasetStore } from "./lake/dataset-store.ts";
import { DatasetFormatError, type Row } from "./lake/rows.ts";
import { announce, setting, spiffeId, tlsIdentity } from "./settings.ts";

const mayCall = new Set([spiffeId("gateway"), spiffeId("operator")]);

const mesh = createMesh({
  service: "lake",
  tls: tlsIdentity(),
  resolver: staticResolver({ stream: [setting("STREAM_URL")] }),
  server: {
    auth: { required: true, authorize: (principal) => mayCall.has(principal?.id ?? "") },
    // Its callers are services, not strangers.
    rateLimit: false,
    // A large upload takes its time; what callers allow is still less where it can be.
    timeoutMs: 3_600_000,
  },
});

const datasets = await DatasetStore.open(setting("LAKE_DATA"));
const stream = createClient(StreamService, mesh.transport("stream"));

const app = mesh.app({ expose: { metrics: "authenticated" } });

app.get("/datasets", (c) => c.json({ datasets: datasets.list() }));

app.put("/datasets/:name", bodyLimit(Infinity), async (c) => {
  const mediaType = c.req.header("content-type")?.split(";")[0] ?? "";
  const stored = await datasets.put(c.req.param("name"), mediaType, c.req.raw.body ?? []).catch(badRequest);
  await tellTheStream(stored);
  return c.json(stored, 201);
});

app.get("/datasets/:name", (c) => c.json(orNotFound(datasets.get(c.req.param("name")))));

app.get("/datasets/:name/content", async (c) => {
  const { info, bytes } = orNotFound(await datasets.content(c.req.param("name")));
  const headers = {
    "content-type": info.mediaType,
    "content-length": `${info.sizeBytes}`,
    etag: `"${info.sha256}"`,
  };
  return new Response(bytes, { headers });
});

app.get("/datasets/:name/rows", async (c) => {
  const { column = "", equals = "", limit = "100" } = c.req.query();
  if (!/^[1-9]\d{0,3}$/.test(limit)) throw new ConnectError("limit must be 1 to 9999", Code.InvalidArgument);
  const rows: Row[] = [];
  for await (const { values } of matching(c.req.param("name"), column, equals, Number(limit)))
    rows.push(values);
  return c.json({ rows });
});

app.delete("/datasets/:name", async (c) => {
  orNotFound((await datasets.delete(c.req.param("name"))) || undefined);
  return c.body(null, 204);
});

/** The rows that match, read from disk only as fast as they are taken. */
async function* matching(
  name: string,
  column: string,
  equals: string,
  limit: number,
): AsyncGenerator<{ index: bigint; values: Row }> {
  let index = 0n;
  let found = 0;
  for await (const values of orNotFound(await datasets.rows(name))) {
    if (column === "" || values[column] === equals) {
      yield { index, values };
      if (++found === limit) return;
    }
    index++;
  }
}

/** Announces a dataset. The event's id is new for each upload, so that a repeated call does not repeat the event. */
async function tellTheStream({ name, rows, sizeBytes, sha256 }: DatasetInfo): Promise<void> {
  const attributes = { name, rows: `${rows}`, sizeBytes: `${sizeBytes}`, sha256 };
  const event = { id: crypto.randomUUID(), topic: "datasets", type: "dataset.stored", attributes };
  await stream.publish({ event });
}

/** Errors of RPC and REST are the same to the mesh: over REST this is a problem with status 400, */
function badRequest(error: unknown): never {
  throw error instanceof DatasetFormatError ? new ConnectError(error.message, Code.InvalidArgument) : error;
}

/** and this one with 404. */
function orNotFound<T>(value: T | undefined): T {
  if (value === undefined) throw new ConnectError("There is no such dataset", Code.NotFound);
  return value;
}

function messageFrom({
  rows,
  sizeBytes,
  columns,
  ...rest
}: DatasetInfo): MessageInitShape<typeof DatasetSchema> {
  return { ...rest, columns: [...columns], rows: BigInt(rows), sizeBytes: BigInt(sizeBytes) };
}

const server = await mesh.serve({
  app,
  hostname: "127.0.0.1",
  port: Number(setting("PORT")),
  closeOnSignals: true,
  routes(router) {
    router.service(LakeService, {
      listDatasets: () => ({ datasets: datasets.list().map(messageFrom) }),
      getDataset: ({ name }) => ({ dataset: messageFrom(orNotFound(datasets.get(name))) }),
      queryRows: ({ name, column, equals, limit }) => matching(name, column, equals, limit),
    });
  },
});
announce(server);
