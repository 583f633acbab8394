import type { Mesh } from "@datapunk/mesh";
import type { DevAuthority } from "../dev-ca.ts";
import type { Fleet } from "./fleet.ts";

/** What every step of the tour works with. */
export interface Tour {
  /** URL of the gateway, the only service that the public sees. */
  readonly gateway: string;
  /** URLs of the services behind it. */
  readonly lake: string;
  readonly stream: string;
  /** The bearer token that the gateway wants. */
  readonly token: string;
  readonly authority: DevAuthority;
  /** The view of the mesh of the person who runs it: has a certificate of its own. */
  readonly operator: Mesh;
  readonly fleet: Fleet;
  /** Prints a line of the account. */
  readonly note: (text: string) => void;
}

/** One thing that the tour shows. */
export interface Step {
  readonly title: string;
  readonly run: (tour: Tour) => Promise<void>;
}

/** @throws Error that says what was expected, when it is not so */
export function check(condition: boolean, expected: string, found: unknown): asserts condition {
  if (!condition) throw new Error(`Expected ${expected}, found ${found}`);
}

/** A request to the gateway as the public sends it: plain `fetch` and a bearer token. Refusals throw. */
export async function ask(tour: Tour, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${tour.token}`, ...(init.headers as Record<string, string>) };
  const signal = init.signal ?? AbortSignal.timeout(20_000);
  // Node streams a request body only when told that the response may come early.
  const streaming = init.body instanceof ReadableStream ? { duplex: "half" } : {};
  const response = await fetch(tour.gateway + path, { ...init, ...streaming, headers, signal });
  if (response.ok) return response;
  throw new Error(`${init.method ?? "GET"} ${path} got ${response.status}: ${await response.text()}`);
}

/** The lines of a body, as they arrive. */
export async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** The JSON of each event of a server-sent event stream, as they arrive. */
export async function* eventsOf<T>(response: Response): AsyncGenerator<T> {
  for await (const line of linesOf(response)) {
    if (line.startsWith("data:")) yield JSON.parse(line.slice(5));
  }
}
