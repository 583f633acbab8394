import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions } from "../../src/mesh/options.ts";
import type { RestClient } from "../../src/rest/rest-client.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** A mesh whose service `lake` is a handler function in this process, and what the handler was asked. */
export interface Lake {
  readonly mesh: Mesh;
  readonly lake: RestClient;
  readonly clock: VirtualClock;
  readonly requests: readonly Request[];
}

/** Makes a mesh around a `lake` that is a fetch handler: the whole pipeline runs, and no socket is needed. */
export function lakeOf(
  handler: (request: Request, number: number) => Response | Promise<Response>,
  options: Partial<MeshOptions> = {},
): Lake {
  const clock = new VirtualClock();
  const requests: Request[] = [];
  const mesh = createMesh({
    service: "gateway",
    runtime: createWebRuntime({
      fetch: (url, init) => {
        const request = new Request(url, init);
        return handler(request, requests.push(request));
      },
    }),
    resolver: staticResolver({ lake: ["http://lake.test"] }),
    clock,
    random: () => 0.5,
    ...options,
  });
  return { mesh, lake: mesh.rest("lake"), clock, requests };
}

/** The error that a promise rejects with. */
export async function errorOf(promise: PromiseLike<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("The promise was fulfilled; an error was expected");
}

/** A body that comes in these pieces; `end` says how it ends. */
export function bodyOf(
  pieces: readonly string[],
  end: "close" | "never" | Error = "close",
  onCancel: () => void = () => {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let at = 0;
  return new ReadableStream(
    {
      pull(controller) {
        const piece = pieces[at++];
        if (piece !== undefined) controller.enqueue(encoder.encode(piece));
        else if (end === "close") controller.close();
        else if (end !== "never") controller.error(end);
        else return new Promise<void>(() => {});
        return undefined;
      },
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  );
}

/** Reads an iterable to its end; how many pieces came. */
export async function drain(pieces: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of pieces) count++;
  return count;
}
