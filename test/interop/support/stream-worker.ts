/** The fetch handler of a mesh on Cloudflare's runtime, with responses of every kind. */
import { createMesh, type MeshHandler } from "../../../mod.ts";

const mesh = createMesh({ service: "edge", server: { rateLimit: false, idleTimeoutMs: 1_000 } });
const app = mesh.app({ expose: { metrics: true } });
const encoder = new TextEncoder();

function streamOf(next: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>) {
  return new ReadableStream<Uint8Array>({ pull: next }, { highWaterMark: 0 });
}

app.get("/image", () => new Response(encoder.encode("image"), { headers: { "content-type": "image/png" } }));
app.get("/declared", () => {
  let left = 3;
  const body = streamOf((controller) => {
    if (left-- > 0) controller.enqueue(encoder.encode("abcde"));
    else controller.close();
  });
  return new Response(body, { headers: { "content-type": "video/mp4", "content-length": "15" } });
});
app.get("/hanging", () => {
  let first = true;
  return new Response(
    streamOf((controller) => {
      if (!first) return new Promise(() => {});
      first = false;
      controller.enqueue(encoder.encode("first"));
      return undefined;
    }),
  );
});
app.get(
  "/ticking",
  () =>
    new Response(
      streamOf(async (controller) => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        controller.enqueue(encoder.encode("tick"));
      }),
    ),
);

const handler: MeshHandler = mesh.handler({ app });

export default handler;
