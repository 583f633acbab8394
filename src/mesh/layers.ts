import { checkFunctions, checkObject } from "../core/options.ts";
import type { Layer } from "../core/service.ts";
import type { HttpResponse } from "../rest/http-transport.ts";
import { addHeaders, type HeadersInput } from "../rest/request-headers.ts";
import type { RestRequest } from "../rest/rest-request.ts";
import type { RpcRequest, RpcResponse } from "../rpc/client/rpc-request.ts";
import type { ServerLayers } from "../serve/inbound-request.ts";

/** What a client sends: by REST where it has a `target` (and `call.protocol` is `rest`), by RPC where it has a `method`'s descriptor. */
export type ClientRequest = RestRequest | RpcRequest;

/** What comes back, in the form of the protocol that the request is of. */
export type ClientResponse = HttpResponse | RpcResponse;

/**
 * A layer around the outgoing calls of a mesh, by REST and by RPC. It passes on a request, and returns a response, of
 * the protocol that it was given.
 */
export type ClientLayer = Layer<ClientRequest, ClientResponse>;

/** Layers of the application's own around outgoing calls; of each list the first is the outermost. See `docs/layers.md`. */
export interface ClientLayers {
  /** Around the whole call: inside the metrics, outside deadline and retry. */
  readonly call?: readonly ClientLayer[];
  /** Around each attempt: right around the transport, with `call.endpoint` set; inside the endpoint's breaker. */
  readonly attempt?: readonly ClientLayer[];
}

/** Layers of the application's own. */
export interface MeshLayers {
  /** Around the calls to other services; not around `mesh.fetch` to origins outside of the mesh. */
  readonly client?: ClientLayers;
  /** Around every request that is served, REST and RPC alike. */
  readonly server?: ServerLayers;
}

const sides: readonly string[] = ["client", "server"];
const positions: readonly string[] = ["call", "attempt"];

/**
 * The same request with more header fields (in RPC: metadata); those of the same name are replaced.
 *
 * @example
 * ```ts
 * const tenant: ClientLayer = (next) => (call, request) => next(call, withHeaders(request, { "x-tenant": "blue" }));
 * const mesh = createMesh({ service: "gateway", layers: { client: { call: [tenant] } } });
 * ```
 * @throws TypeError when a name or a value cannot be sent
 */
export function withHeaders<R extends ClientRequest>(request: R, headers: HeadersInput): R {
  const fields: Record<string, string> = {};
  addHeaders("Cannot add headers to a request", fields, headers);
  if ("target" in request) return { ...request, headers: { ...request.headers, ...fields } };
  const metadata = new Headers(request.header);
  for (const name in fields) metadata.set(name, fields[name] as string);
  return { ...request, header: metadata };
}

/**
 * Checks layers where they are given; those of the server are checked by its pipeline.
 *
 * @throws TypeError when what is given are no layers
 */
export function checkLayers(who: string, layers: MeshLayers = {}): MeshLayers {
  checkObject(`the layers of ${who}`, layers);
  refuseUnknown(who, "layers", layers, sides);
  const { client = {} } = layers;
  checkObject(`the client layers of ${who}`, client);
  refuseUnknown(who, "layers.client", client, positions);
  for (const [position, listed] of Object.entries(client)) {
    checkFunctions(who, `layers.client.${position}`, listed);
  }
  return layers;
}

function refuseUnknown(who: string, what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const list = known.map((key) => `"${key}"`).join(" and ");
  throw new TypeError(`Cannot make ${who}: ${what} has no "${unknown}"; there are ${list}`);
}
