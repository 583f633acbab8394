const encoder = new TextEncoder();

/** A body made of texts, each asked for only when the client can take it. */
function bodyFrom(texts: AsyncIterator<string>, first: IteratorResult<string>): ReadableStream<Uint8Array> {
  let ready: IteratorResult<string> | undefined = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = ready ?? (await texts.next());
      ready = undefined;
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await texts.return?.();
    },
  });
}

async function* mapped<T>(
  values: AsyncIterable<T>,
  text: (value: T) => string,
  before = "",
): AsyncGenerator<string> {
  if (before !== "") yield before;
  for await (const value of values) yield text(value);
}

/**
 * Responds with one JSON value a line. The first value is waited for, so that a failure up to there still
 * gets a status of its own.
 */
export async function ndjsonResponse(values: AsyncIterable<unknown>): Promise<Response> {
  const lines = mapped(values, (value) => `${JSON.stringify(value)}\n`);
  return new Response(bodyFrom(lines, await lines.next()), {
    headers: { "content-type": "application/x-ndjson" },
  });
}

/** Responds with server-sent events, starting at once: the first event may take its time. */
export async function sseResponse<T>(
  events: AsyncIterable<T>,
  fields: (event: T) => { readonly id: string; readonly data: unknown },
): Promise<Response> {
  const blocks = mapped(
    events,
    (event) => {
      const { id, data } = fields(event);
      return `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
    },
    ": following\n\n",
  );
  const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
  return new Response(bodyFrom(blocks, await blocks.next()), { headers });
}

/** A body line by line, each as soon as it is complete; empty lines are left out. */
export async function* linesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of body ?? []) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield line;
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield rest;
}
